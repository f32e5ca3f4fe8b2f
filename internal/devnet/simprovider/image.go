package simprovider

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// imageRequest is what of an image generation request matters here; the size does not.
type imageRequest struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	N      *int   `json:"n"`
	Format string `json:"response_format"`
}

// maxImages is the most a request may ask for.
const maxImages = 10

type imageReply struct {
	Created int64       `json:"created"`
	Data    []imageData `json:"data"`
}

type imageData struct {
	B64 string `json:"b64_json,omitempty"`
	URL string `json:"url,omitempty"`
}

func (x *exchange) image() error {
	body, err := x.readBody()
	if err != nil {
		return err
	}
	var req imageRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return refuse("validate request: invalid JSON: " + err.Error())
	}
	if err := x.admit(req.Model); err != nil {
		return err
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	n := 1
	if req.N != nil && *req.N > 0 {
		n = *req.N
	}
	if n > maxImages {
		return modelError(http.StatusBadRequest, "BadRequestError", fmt.Sprintf("n must be at most %d", maxImages))
	}
	reply := imageReply{Created: x.created()}
	var digests []string
	for i := range n {
		if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
			return fmt.Errorf("the provider closes: %w", x.p.ctx.Err())
		}
		picture := draw(fmt.Sprintf("%s#%d", req.Prompt, i))
		digests = append(digests, digest(picture))
		d := imageData{B64: base64.StdEncoding.EncodeToString(picture)}
		if req.Format == "url" {
			name := x.key + "/" + strconv.Itoa(i)
			x.p.images.put(name, picture, 0)
			d = imageData{URL: x.p.url + "/v1/proxy/images/" + name}
		}
		reply.Data = append(reply.Data, d)
	}
	// Unlike other answers, images are signed one by one and as decoded, and the request as the client sent it.
	x.attest(x.record.RequestSHA256, strings.Join(digests, ","))
	x.bill(zg.Usage{Images: uint64(n)})
	answer := encodePlain(reply)
	if x.fault.Kind == Gzip {
		answer = compress(answer)
		x.w.Header().Set("Content-Encoding", "gzip")
	}
	x.deliver("application/json", answer)
	return nil
}

// draw paints a symmetric pattern from a digest of the seed: a small valid PNG, the same every time.
func draw(seed string) []byte {
	const cells, cell = 8, 16
	sum := sha256.Sum256([]byte(seed))
	palette := color.Palette{
		color.RGBA{R: 245, G: 245, B: 245, A: 255},
		color.RGBA{R: sum[0], G: sum[1], B: sum[2], A: 255},
	}
	img := image.NewPaletted(image.Rect(0, 0, cells*cell, cells*cell), palette)
	for y := range cells * cell {
		for x := range cells * cell {
			cx, cy := x/cell, y/cell
			if cx >= cells/2 {
				cx = cells - 1 - cx
			}
			bit := cy*cells/2 + cx
			img.SetColorIndex(x, y, sum[4+bit/8]>>(bit%8)&1)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic("simprovider: draw: " + err.Error()) // a buffer takes everything
	}
	return b.Bytes()
}

// serveStoredImage serves what a request for URLs left here; the chat's key in the path is all the permission needed.
func (p *Provider) serveStoredImage(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, http.StatusMethodNotAllowed, "method not allowed")
		return
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !p.limits.fetchImage(host) {
		w.Header().Set("Retry-After", "1")
		writeError(w, http.StatusTooManyRequests, "too many image requests")
		return
	}
	picture, ok := p.images.get(name)
	if !ok {
		writeError(w, http.StatusNotFound, "image not found or expired")
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Content-Length", strconv.Itoa(len(picture)))
	h.Set("Cache-Control", fmt.Sprintf("private, max-age=%d, immutable", int(imageTTL.Seconds())))
	if r.Method == http.MethodGet {
		_, _ = w.Write(picture) //nolint:gosec // a PNG of our own; a client that has left needs none
	}
}
