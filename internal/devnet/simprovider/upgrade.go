package simprovider

import (
	"crypto/ecdsa"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// imageKeys are what a machine has whose signer is a key of the image that it runs.
type imageKeys struct {
	root *ecdsa.PrivateKey // of the machine
	boot string            // the image that a reboot starts
}

// deriveKey sets the signer of the image that runs. The same image on the same machine always has the same one.
func (cfg *Config) deriveKey() {
	if cfg.Image == "" {
		return
	}
	if cfg.image.root == nil {
		cfg.image = imageKeys{root: cfg.TEEKey, boot: cfg.Image}
	}
	key, err := crypto.ToECDSA(crypto.Keccak256(crypto.FromECDSA(cfg.image.root), []byte("/"+cfg.Image+"/sign")))
	if err != nil {
		panic("simprovider: " + err.Error()) // one digest in 2^128 is no key
	}
	cfg.TEEKey = key
}

// Upgrade is Restart with another image, and so with another signer. The signatures of earlier answers are gone. What
// the chain says of the signer is the caller's business: a real provider notices that it names another one, and
// registers its own.
func (p *Provider) Upgrade(image string) (*Provider, error) {
	if p.cfg.Image == "" {
		return nil, fmt.Errorf("upgrade %s: its signer is not one of an image", p.cfg.Model)
	}
	return p.restartAs(image)
}

// Reboot is Restart of the whole machine: an upgrade in place is undone by it, and the signer is the earlier one again.
func (p *Provider) Reboot() (*Provider, error) { return p.restartAs(p.cfg.image.boot) }

func (p *Provider) restartAs(image string) (*Provider, error) {
	if err := p.Close(); err != nil {
		return nil, fmt.Errorf("restart %s: %w", p.cfg.Model, err)
	}
	cfg := p.cfg
	cfg.Listen = strings.TrimPrefix(p.url, "http://")
	cfg.Image = image
	cfg.deriveKey()
	p.jobs.each((*job).survive)
	return startWith(cfg, p.purse, p.records, p.jobs)
}
