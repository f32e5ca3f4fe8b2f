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

// imageRequest is what of a request for images matters here; the size does not.
type imageRequest struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	N      *int   `json:"n"`
	Format string `json:"response_format"`
	// Image is a picture to edit, as base64 or a data URL, or a list of such; Images is the newer name of it.
	Image  json.RawMessage `json:"image"`
	Images json.RawMessage `json:"images"`
	Mask   json.RawMessage `json:"mask"`

	sources []string // digests of the pictures to edit
	mask    string   // digest of the mask
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

// readImageRequest reads a request for images or edits, JSON or a form.
func (x *exchange) readImageRequest() (*imageRequest, error) {
	body, err := x.readBody()
	if err != nil {
		return nil, err
	}
	req := &imageRequest{}
	if _, isForm := boundaryOf(x.r.Header); isForm {
		f, err := parseForm(x.r.Header, body)
		if err != nil {
			return nil, err
		}
		req.fromForm(f)
		return req, nil
	}
	if err := json.Unmarshal(body, req); err != nil {
		return nil, invalidJSON(err)
	}
	for _, raw := range []json.RawMessage{req.Image, req.Images} {
		req.sources = append(req.sources, pictureDigests(raw)...)
	}
	req.mask = strings.Join(pictureDigests(req.Mask), "")
	return req, nil
}

func (r *imageRequest) fromForm(f *webForm) {
	r.Model, r.Prompt, r.Format = f.fields["model"], f.fields["prompt"], f.fields["response_format"]
	if n, err := strconv.Atoi(f.fields["n"]); err == nil {
		r.N = &n
	}
	for _, file := range f.files {
		if file.name == "mask" {
			r.mask = file.sum
		} else if strings.HasPrefix(file.name, "image") {
			r.sources = append(r.sources, file.sum)
		}
	}
}

// pictureDigests are those of the pictures in JSON: strings, objects with an image_url, or a list of such.
func pictureDigests(raw json.RawMessage) []string {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		_, data, ok := strings.Cut(text, ";base64,")
		if !ok {
			data = text
		}
		if decoded, err := base64.StdEncoding.DecodeString(data); err == nil {
			return []string{digest(decoded)}
		}
		return []string{digest([]byte(text))} // a URL, which nobody fetches here
	}
	var object struct {
		URL json.RawMessage `json:"image_url"`
	}
	if json.Unmarshal(raw, &object) == nil && object.URL != nil {
		return pictureDigests(object.URL)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var digests []string
	for _, one := range list {
		digests = append(digests, pictureDigests(one)...)
	}
	return digests
}

// count is how many images are asked for.
func (r *imageRequest) count() int {
	if r.N != nil && *r.N > 0 {
		return *r.N
	}
	return 1
}

// seed is what the image of this number is drawn from: all that was given.
func (r *imageRequest) seed(i int) string {
	if r.mask == "" && len(r.sources) == 0 {
		return fmt.Sprintf("%s#%d", r.Prompt, i)
	}
	return fmt.Sprintf("%s#%d#%s#%s", r.Prompt, i, strings.Join(r.sources, ","), r.mask)
}

// admitImages admits a request for images that the model can serve.
func (x *exchange) admitImages(req *imageRequest) error {
	if err := x.admit(req.Model); err != nil {
		return err
	}
	switch {
	case x.fault.Raw != nil: // whatever was asked
		return nil
	case req.count() > maxImages:
		return modelError(http.StatusBadRequest, "BadRequestError", fmt.Sprintf("n must be at most %d", maxImages))
	case x.kind == zg.ImageEditing && len(req.sources) == 0:
		return modelError(http.StatusBadRequest, "BadRequestError", "image is required")
	}
	return nil
}

func (x *exchange) image() error {
	req, err := x.readImageRequest()
	if err != nil {
		return err
	}
	if err := x.admitImages(req); err != nil {
		return err
	}
	if x.fault.Raw != nil {
		x.raw(x.record.RequestSHA256)
		return nil
	}
	for range req.count() {
		if !x.p.wait(x.p.ctx, x.p.cfg.TokenDelay) {
			return x.closing()
		}
	}
	x.deliver("application/json", x.coded(x.paint(req)))
	return nil
}

// paint draws, signs and bills the images and returns the answer.
func (x *exchange) paint(req *imageRequest) []byte {
	reply := imageReply{Created: x.created()}
	var digests []string
	for i := range req.count() {
		picture := draw(req.seed(i))
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
	x.bill(zg.Usage{Images: uint64(len(digests))})
	return encodePlain(reply)
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
