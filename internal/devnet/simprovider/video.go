package simprovider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// videoRequest is what of a request for a video matters here.
type videoRequest struct {
	Model   string `json:"model"`
	Prompt  string `json:"prompt"`
	Seconds any    `json:"seconds"` // a number, or one in a string
	Size    string `json:"size"`
}

const longestVideo = 120 // s

// length is how long the video is to be, as text and in whole seconds, rounded up; false when it is no length.
func (r *videoRequest) length() (text string, seconds uint64, ok bool) {
	switch v := r.Seconds.(type) {
	case nil:
		return "4", 4, true
	case string:
		text = v
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || f > longestVideo {
		return "", 0, false
	}
	return text, uint64(math.Ceil(f)), true
}

// videoObject is what is said of a video.
type videoObject struct {
	ID        string      `json:"id"`
	Object    string      `json:"object"`
	Model     string      `json:"model"`
	Status    string      `json:"status"`
	Progress  int         `json:"progress"`
	Created   int64       `json:"created_at"`
	Completed *int64      `json:"completed_at"`
	Seconds   string      `json:"seconds"`
	Size      string      `json:"size"`
	Usage     *filmUsage  `json:"usage,omitempty"`
	Error     *videoError `json:"error"`
}

// filmUsage is what a vendor measured.
type filmUsage struct {
	Duration uint64 `json:"output_video_duration,omitempty"`
	Tokens   uint64 `json:"completion_tokens,omitempty"`
}

type videoError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// readVideoRequest also returns the digest of the request as it goes to the model server. A form gets a field there,
// which is put in front of its end, unless it has one of that name.
func (x *exchange) readVideoRequest() (req *videoRequest, requestDigest string, err error) {
	body, err := x.readBody()
	if err != nil {
		return nil, "", err
	}
	req = &videoRequest{}
	if _, isForm := boundaryOf(x.r.Header); !isForm {
		if err := json.Unmarshal(body, req); err != nil {
			return nil, "", invalidJSON(err)
		}
		return req, x.record.RequestSHA256, nil
	}
	f, err := parseForm(x.r.Header, body)
	if err != nil {
		return nil, "", err
	}
	req.Model, req.Prompt, req.Size = f.fields["model"], f.fields["prompt"], f.fields["size"]
	if s, ok := f.fields["seconds"]; ok {
		req.Seconds = s
	}
	if _, ok := f.fields["wait"]; !ok {
		body = addField(body, f.boundary, "wait", "false")
	}
	return req, digest(body), nil
}

// addField puts a field behind all others of a form.
func addField(body []byte, boundary, name, value string) []byte {
	end := bytes.LastIndex(body, []byte("--"+boundary+"--"))
	if end < 0 {
		return body
	}
	field := fmt.Sprintf("--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", boundary, name, value)
	return bytes.Join([][]byte{body[:end], []byte(field), body[end:]}, nil)
}

// film accepts a request for a video. Until the video is done, what is signed is the reply to this.
func (x *exchange) film() error {
	req, requestDigest, err := x.readVideoRequest()
	if err != nil {
		return err
	}
	if x.fault.Kind == NoFault {
		x.fault.Kind = marked(req.Prompt)
		x.record.Fault = x.fault.Kind
	}
	length, seconds, ok := req.length()
	film := x.p.cfg.Film
	size := cmp.Or(req.Size, "720x1280")
	seconds = film.delivered(seconds)
	units := film.units(seconds, size)
	if err := x.admitFor(req.Model, units); err != nil {
		return err
	}
	switch {
	case x.fault.Raw != nil:
		x.raw(requestDigest)
		return nil
	case !ok:
		return modelError(http.StatusBadRequest, "BadRequestError", fmt.Sprintf("seconds must be more than 0 and at most %d", longestVideo))
	case req.Prompt == "":
		return modelError(http.StatusBadRequest, "BadRequestError", "prompt must not be empty")
	}
	v := videoObject{
		ID: "video_" + strings.ReplaceAll(x.key, "-", ""), Object: "video", Model: req.Model, Status: "queued", Created: x.created(), Seconds: length, Size: size,
	}
	reply := x.coded(encodePlain(v))
	x.attest(requestDigest, digest(x.signedForm(reply)))
	finish := func(x *exchange, failed bool) []byte {
		v, now := v, x.created()
		v.Status, v.Progress, v.Completed = "completed", 100, &now
		if failed {
			v.Status, v.Progress, v.Completed, v.Error = "failed", 0, nil, &videoError{"generation_failed", "the model server has failed"}
		} else {
			x.book(zg.Usage{Seen: true, Seconds: float64(seconds), BySeconds: true}, x.price.Output.Mul(units))
			switch {
			case film == nil:
			case film.Unit == zg.UnitToken:
				v.Usage = &filmUsage{Tokens: units}
			default:
				v.Usage = &filmUsage{Duration: seconds}
			}
		}
		body := encodePlain(v)
		x.attest(requestDigest, digest(x.signedForm(body)))
		return body
	}
	running := func(progress int) []byte {
		v := v
		v.Status, v.Progress = "in_progress", progress
		return encodePlain(v)
	}
	x.accept(&job{id: v.ID, finish: finish, running: running}, "/videos/"+v.ID, req.Prompt)
	x.deliver("application/json", reply)
	return nil
}

// serveVideo serves what lies below /videos: how far one is, and its content.
func (p *Provider) serveVideo(w http.ResponseWriter, r *http.Request, path string) {
	id, rest, _ := strings.Cut(path, "/")
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			writeError(w, http.StatusBadRequest, "missing video job id")
			return
		}
	}
	if rest != "" && rest != "content" {
		writeError(w, http.StatusBadRequest, "endpoint not supported")
		return
	}
	j, err := p.ownJob(r, id, true, "video job not found")
	if err != nil {
		refusal := asRefusal(err)
		writeError(w, refusal.status, refusal.text)
		return
	}
	w.Header().Set("Provider", p.address.Hex())
	if rest == "content" {
		p.serveFilm(w, r, j)
		return
	}
	j.poll(p)
	j.mu.Lock()
	defer j.mu.Unlock()
	body := j.result
	if body == nil {
		body = j.running(100 * j.polls / (j.polls + 1))
	}
	if key := j.announced(p); key != "" {
		w.Header().Set("ZG-Res-Key", key)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that has left needs none
}

// serveFilm serves a video that is done. Nobody signs it.
func (p *Provider) serveFilm(w http.ResponseWriter, r *http.Request, j *job) {
	j.mu.Lock()
	state, content := j.state, footage(j.id)
	j.mu.Unlock()
	if state != jobCompleted {
		refusal := modelError(http.StatusNotFound, "NotFoundError", "the video is not ready")
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(refusal.status)
		_, _ = w.Write(refusal.body) // a client that has left needs none
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// footage is the bytes of a video: they begin as such a file does and depend on nothing but the id.
func footage(id string) []byte {
	const size = 64 << 10
	b := []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom")
	for n := 0; len(b) < size; n++ {
		b = append(b, digest(fmt.Appendf(nil, "%s#%d", id, n))...)
	}
	return b[:size]
}
