package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/private"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// imageFlags are the options of "zgproxy image".
type imageFlags struct {
	connectFlags
	model, out, size, edit, mask string
	count                        int
	force, json                  bool
}

// imageReport is the JSON of "zgproxy image".
type imageReport struct {
	Files   []string       `json:"files"`
	Outcome requestOutcome `json:"outcome"`
}

func imageCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image PROMPT...",
		Short: "Generate or edit an image, and write it to a file",
		Long: `Has pictures made from a PROMPT, or with --edit a picture changed, and writes them to files. Several get
numbers in their names. A file that is there is not overwritten. What it cost, and what the provider's
signature showed, goes to the standard error.

Requests go through the running daemon, or without one through this process; see "zgproxy chat --help".`,
		Example: `  zgproxy image --out otter.png an otter that reads a newspaper
  zgproxy image --model flux --n 4 --size 512x512 --out idea.png "a lighthouse at night"
  zgproxy image --edit otter.png --out hat.png give it a hat`,
		Args: want(cobra.MinimumNArgs(1)),
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.model, "model", "m", "", "the `MODEL`; else the only one there is")
	fl.StringVarP(&f.out, "out", "o", "image.png", "the `FILE` to write, or - for the standard output")
	fl.IntVarP(&f.count, "n", "n", 1, "number of images, `N` from 1 to 10")
	fl.StringVar(&f.size, "size", "", "such as 1024x1024; else the model's own `SIZE`")
	fl.StringVar(&f.edit, "edit", "", "the picture `FILE` to change")
	fl.StringVar(&f.mask, "mask", "", "a picture `FILE` that is transparent where it may be changed")
	fl.BoolVar(&f.force, "force", false, "overwrite files")
	fl.BoolVar(&f.json, "json", false, "one JSON object")
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) (err error) {
		ctx, beside := cmd.Context(), errConsole(cmd)
		if f.mask != "" && f.edit == "" {
			return usageError{errors.New("--mask goes with --edit: it says where that picture may be changed")}
		}
		if f.out == "-" && isTerminal(cmd.OutOrStdout()) {
			return usageError{errors.New("a picture is not for a terminal: say --out FILE, or send the output elsewhere")}
		}
		names, err := f.names()
		if err != nil {
			return err
		}
		n, err := f.connect(ctx, beside)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.close()) }()
		kind := zg.TextToImage
		if f.edit != "" {
			kind = zg.ImageEditing
		}
		if f.model, err = n.pickModel(ctx, f.model, kind); err != nil {
			return err
		}
		req, err := f.request(ctx, n, strings.Join(args, " "))
		if err != nil {
			return err
		}
		if err := n.fund(ctx, kind, f.model, ""); err != nil {
			return err
		}
		began := time.Now()
		_, stop := beside.working("Drawing")
		resp, err := n.send(req)
		stop()
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		pictures, err := readPictures(ctx, n, resp)
		if err != nil {
			return err
		}
		if len(pictures) != len(names) && f.out != "-" {
			beside.printf("%s\n", beside.paint(styleWarn, fmt.Sprintf("%s came, and %d asked for.", plural(len(pictures), "picture"), len(names))))
		}
		r := imageReport{Files: []string{}}
		for i, p := range pictures[:min(len(pictures), len(names))] {
			if f.out == "-" {
				if _, err := exactly(cmd.OutOrStdout()).Write(p); err != nil {
					return err
				}
				continue
			}
			if err := private.Write(names[i], p, f.force); err != nil {
				return err
			}
			r.Files = append(r.Files, names[i])
		}
		r.Outcome = n.outcomeOf(ctx, resp, began)
		n.served(ctx, &r.Outcome)
		if f.json {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		for _, name := range r.Files {
			consoleOf(cmd).printf("%s\n", name)
		}
		r.Outcome.tell(beside)
		return nil
	})
	return cmd
}

// names are the files to write, none of which may be there.
func (f *imageFlags) names() ([]string, error) {
	if f.count < 1 || f.count > 10 {
		return nil, usageError{errors.New("--n is from 1 to 10")}
	}
	if f.out == "-" {
		if f.count > 1 || f.json {
			return nil, usageError{errors.New("--out - is for one picture, and without --json")}
		}
		return []string{"-"}, nil
	}
	names := []string{f.out}
	if f.count > 1 {
		names = nil
		ext := filepath.Ext(f.out)
		for i := range f.count {
			names = append(names, fmt.Sprintf("%s-%d%s", strings.TrimSuffix(f.out, ext), i+1, ext))
		}
	}
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil && !f.force {
			return nil, problem(codeExists, "Say another --out, or --force.", "%s is there already", name)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, usageError{err}
		}
	}
	return names, nil
}

func (f *imageFlags) request(ctx context.Context, n *connection, prompt string) (*http.Request, error) {
	if f.edit == "" {
		body := map[string]any{"model": f.model, "prompt": prompt, "n": f.count, "response_format": "b64_json"}
		if f.size != "" {
			body["size"] = f.size
		}
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		return n.request(ctx, http.MethodPost, "/images/generations", "application/json", bytes.NewReader(text))
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	fields := [][2]string{{"model", f.model}, {"prompt", prompt}, {"n", strconv.Itoa(f.count)}, {"response_format", "b64_json"}}
	if f.size != "" {
		fields = append(fields, [2]string{"size", f.size})
	}
	for _, kv := range fields {
		if err := w.WriteField(kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	for name, path := range map[string]string{"image": f.edit, "mask": f.mask} {
		if path == "" {
			continue
		}
		data, err := os.ReadFile(path) //nolint:gosec // the owner names it
		if err != nil {
			return nil, usageError{err}
		}
		p, err := w.CreateFormFile(name, filepath.Base(path))
		if err == nil {
			_, err = p.Write(data)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return n.request(ctx, http.MethodPost, "/images/edits", w.FormDataContentType(), &form)
}

// maxPictures bounds an answer with pictures.
const maxPictures = 256 << 20

// readPictures reads the pictures of an answer; those that it gives as a URL are fetched through the API.
func readPictures(ctx context.Context, n *connection, resp *http.Response) ([][]byte, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPictures))
	if err != nil {
		return nil, broken(err, resp)
	}
	var answer struct {
		Data []struct {
			B64 []byte `json:"b64_json"`
			URL string `json:"url"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Data) == 0 {
		return nil, problem(codeAPI, "", "there is no picture in the answer")
	}
	var out [][]byte
	for _, d := range answer.Data {
		data := d.B64
		switch {
		case len(data) > 0:
		case strings.HasPrefix(d.URL, "data:"):
			_, encoded, _ := strings.Cut(d.URL, ",")
			data, err = base64.StdEncoding.DecodeString(encoded)
		case strings.HasPrefix(d.URL, n.base+"/"):
			data, err = n.fetch(ctx, strings.TrimPrefix(d.URL, n.base))
		default: // anywhere else is a provider's word to go there
			err = problem(codeAPI, "It is at "+oneLine(d.URL)+".", "the picture is not in the answer, and where it is, zgproxy does not go")
		}
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// fetch reads what is at a path of the API.
func (n *connection) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := n.request(ctx, http.MethodGet, path, "", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := n.send(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	return io.ReadAll(io.LimitReader(resp.Body, maxPictures))
}
