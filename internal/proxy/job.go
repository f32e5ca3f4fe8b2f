package proxy

import (
	"encoding/json"
	"strings"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// maxJobDocument is how much of what is said of a job is looked at. What is said of a video is far shorter;
// asynchronous images are behind what matters.
const maxJobDocument = 64 << 10

// jobDocument keeps the beginning of what is passed on.
type jobDocument struct {
	text []byte
	more bool // it is longer
}

func (d *jobDocument) Write(b []byte) (int, error) {
	room := b[:min(len(b), maxJobDocument-len(d.text))]
	d.text = append(d.text, room...)
	d.more = d.more || len(room) < len(b)
	return len(b), nil
}

// jobSeen takes note of a job's end that its caller has just been told of: from then on its provider may claim its fee.
func (c *call) jobSeen(id string, doc *jobDocument) {
	if c.offer.Endpoint != "" || c.code == "caller_left" {
		return
	}
	end := billing.JobEnd{Provider: c.offer.Service.Provider, ID: id}
	if c.op.kind != zg.VideoGeneration {
		switch imagesStatus(doc.text) {
		case "completed":
		case "failed":
			end.Known = true
		default:
			return
		}
		c.srv.cfg.Meter.JobEnded(end)
		return
	}
	told, ok := zg.ReadVideo(doc.text)
	if !ok || doc.more || !told.Ended() {
		return
	}
	if price, ok := c.jobPrice(id, told); ok {
		fee, basis, ok := zg.VideoFee(price, told, zg.Video{})
		end.Fee, end.Known = fee, ok && basis != zg.FeeEstimated
	}
	c.srv.cfg.Meter.JobEnded(end)
}

// jobPrice is the price of the model that a job is of, where it is still the one at which the job was recorded. A job
// that failed costs nothing at any price.
func (c *call) jobPrice(id string, told zg.Video) (zg.Price, bool) {
	if told.Failed() {
		return zg.Price{}, true
	}
	if c.srv.cfg.Receipt == nil {
		return zg.Price{}, false
	}
	r, ok, err := c.srv.cfg.Receipt(c.r.Context(), id)
	if err != nil || !ok {
		return zg.Price{}, false // what it costs is then told by what the provider claims
	}
	for _, o := range c.srv.Routes().Offers() {
		if o.Endpoint == "" && o.Service.Provider == c.offer.Service.Provider && o.Model == r.Model && o.Price.Output == r.PriceOut {
			return o.Price, true
		}
	}
	return zg.Price{}, false
}

// imagesStatus is the status in the beginning of what is said of an asynchronous job; empty where it is not there.
func imagesStatus(text []byte) string {
	d := json.NewDecoder(strings.NewReader(string(text)))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return ""
		}
		if name == "status" {
			var status string
			if d.Decode(&status) != nil {
				return ""
			}
			return status
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return "" // cut off within it
		}
	}
	return ""
}
