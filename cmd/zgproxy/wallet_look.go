package main

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/admin"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/wallet"
)

// configured is the configuration of a command that needs a wallet.
func configured() (config.Config, error) {
	cfg, _, err := loadConfig(config.Flags{})
	if err == nil && !cfg.HasKey() {
		err = errNoWallet
	}
	if err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

func walletAddressCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "address",
		Short: "Print the wallet's address",
		Long: `Prints the address of the configured wallet, to which 0G can be sent. That of a keystore is read from the
file without opening it, so no password is needed.`,
		Example: `  zgproxy wallet address`,
		Args:    want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) error {
		cfg, address, err := ownAddress(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), walletReport{admin.Address{Address: address}, cfg.Keystore})
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), address.Hex())
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// ownAddress is the configuration, and the address of the wallet in it.
func ownAddress(ctx context.Context) (config.Config, common.Address, error) {
	cfg, err := configured()
	if err != nil {
		return cfg, common.Address{}, err
	}
	address, err := addressOf(ctx, cfg)
	return cfg, address, err
}

// addressOf is the configured wallet's address, without opening it where that can be avoided.
func addressOf(ctx context.Context, cfg config.Config) (common.Address, error) {
	switch {
	case cfg.Signer.Reveal() != "":
		return cfg.SignerAddress.Address, nil
	case cfg.Keystore != "":
		if a, err := wallet.Address(cfg.Keystore); err == nil {
			return a, nil
		}
	}
	w, err := openWallet(ctx, cfg)
	if err != nil {
		return common.Address{}, err
	}
	return w.Address(), nil
}

// balanceReport is the JSON of "zgproxy wallet balance".
type balanceReport struct {
	Network string        `json:"network"`
	Address admin.Address `json:"address"`
	Block   uint64        `json:"block"`
	Balance amount        `json:"balance"`
}

func walletBalanceCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "balance",
		Short: "Print what is in the wallet itself",
		Long: `Reads from the chain what is in the wallet itself. What is in its ledger and with providers is shown by
"zgproxy account". No password is needed.`,
		Example: `  zgproxy wallet balance
  zgproxy wallet balance --json | jq -r '.balance.neuron'`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) error {
		cfg, address, err := ownAddress(cmd.Context())
		if err != nil {
			return err
		}
		client, err := newChainClient(cfg, address, zerolog.Nop(), nil)
		if err != nil {
			return err
		}
		if err := client.CheckChain(cmd.Context()); err != nil {
			return err
		}
		h, err := client.Known(cmd.Context()) // whatever the contracts say
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), balanceReport{cfg.Network, admin.Address{Address: address}, h.Block, money(h.Wallet)})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s 0G\n", h.Wallet.Og())
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}
