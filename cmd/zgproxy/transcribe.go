package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// transcribeFlags are the options of "zgproxy transcribe".
type transcribeFlags struct {
	connectFlags
	model, format, language, prompt string
	json                            bool
}

// transcriptReport is the JSON of "zgproxy transcribe".
type transcriptReport struct {
	Transcript string         `json:"transcript"` // in the format that was asked for
	Outcome    requestOutcome `json:"outcome"`
}

var transcriptFormats = []string{"text", "json", "verbose_json", "srt", "vtt"}

func transcribeCommand() *cobra.Command {
	var f transcribeFlags
	cmd := &cobra.Command{
		Use:   "transcribe FILE",
		Short: "Transcribe audio",
		Long: `Sends a recording to a model that writes down what is said, and prints that. FILE is - for the standard
input. What it cost, and what the provider's signature showed, goes to the standard error.

Requests go through the running daemon, or without one through this process; see "zgproxy chat --help".`,
		Example: `  zgproxy transcribe talk.mp3
  zgproxy transcribe talk.mp3 --format srt > talk.srt`,
		Args: want(cobra.ExactArgs(1)),
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.model, "model", "m", "", "the `MODEL`; else the only one there is")
	fl.StringVar(&f.format, "format", "text", "`FORMAT`: "+strings.Join(transcriptFormats, ", "))
	fl.StringVar(&f.language, "language", "", "the `LANGUAGE` that is spoken, such as en; else it is found out")
	fl.StringVar(&f.prompt, "prompt", "", "a `TEXT` with names and words that occur")
	fl.BoolVar(&f.json, "json", false, "one JSON object with the transcript in it")
	cmd.RunE = explained(&f.json, func(cmd *cobra.Command, args []string) (err error) {
		ctx, beside := cmd.Context(), errConsole(cmd)
		if !slices.Contains(transcriptFormats, f.format) {
			return usageError{fmt.Errorf("--format is one of %s", strings.Join(transcriptFormats, ", "))}
		}
		in, name := cmd.InOrStdin(), "audio.wav"
		if args[0] != "-" {
			file, err := os.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			defer file.Close() //nolint:errcheck // read only
			in, name = file, filepath.Base(args[0])
		}
		n, err := f.connect(ctx, beside)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.close()) }()
		if f.model, err = n.pickModel(ctx, f.model, zg.SpeechToText); err != nil {
			return err
		}
		if err := n.fund(ctx, zg.SpeechToText, f.model, ""); err != nil {
			return err
		}
		began := time.Now()
		_, stop := beside.working("Listening")
		resp, err := f.send(ctx, n, in, name)
		stop()
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxTranscript))
		if err != nil {
			return broken(err, resp)
		}
		r := transcriptReport{Transcript: string(text), Outcome: n.outcomeOf(ctx, resp, began)}
		n.served(ctx, &r.Outcome)
		if f.json {
			return writeJSON(cmd.OutOrStdout(), r)
		}
		if isTerminal(cmd.OutOrStdout()) {
			r.Transcript = zg.Lines(r.Transcript)
		}
		_, err = io.WriteString(exactly(cmd.OutOrStdout()), strings.TrimRight(r.Transcript, "\n")+"\n")
		r.Outcome.tell(beside)
		return err
	})
	return cmd
}

// maxTranscript bounds what is read of an answer.
const maxTranscript = 64 << 20

// send streams the recording. Its fields come first, so that nothing has to be kept on the way; and where the recording is a
// file, its length is told, because what may be reserved for a request depends on it.
func (f *transcribeFlags) send(ctx context.Context, n *connection, in io.Reader, name string) (*http.Response, error) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	fields := [][2]string{{"model", f.model}, {"response_format", f.format}}
	if f.language != "" {
		fields = append(fields, [2]string{"language", f.language})
	}
	if f.prompt != "" {
		fields = append(fields, [2]string{"prompt", f.prompt})
	}
	for _, kv := range fields {
		if err := w.WriteField(kv[0], kv[1]); err != nil {
			return nil, err
		}
	}
	if _, err := w.CreateFormFile("file", name); err != nil {
		return nil, err
	}
	head := form.Len()
	if err := w.Close(); err != nil {
		return nil, err
	}
	size, known := sizeOf(in)
	if known {
		in = io.LimitReader(in, size) // one that grows meanwhile is sent as long as it was
	}
	frame := form.Bytes()
	body := io.MultiReader(bytes.NewReader(frame[:head]), in, bytes.NewReader(frame[head:]))
	req, err := n.request(ctx, http.MethodPost, "/audio/transcriptions", w.FormDataContentType(), body)
	if err != nil {
		return nil, err
	}
	if req.ContentLength = -1; known {
		req.ContentLength = int64(len(frame)) + size
	}
	return n.send(req)
}

// sizeOf is how much is left to read of a file; false for a pipe and whatever else has no length.
func sizeOf(in io.Reader) (int64, bool) {
	file, ok := in.(*os.File)
	if !ok {
		return 0, false
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	at, err := file.Seek(0, io.SeekCurrent)
	return max(info.Size()-at, 0), err == nil
}
