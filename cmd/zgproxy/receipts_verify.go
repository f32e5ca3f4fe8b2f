package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/attest"
	"github.com/zgproxy/zgproxy/internal/zg"
)

const (
	// longestReceipt bounds one receipt. The largest real ones, of many images, have a few kilobytes.
	longestReceipt = 1 << 20
	// largestBody bounds a request or an answer that is compared with its receipt.
	largestBody = 256 << 20
	// problemsShown is how many problems people are shown; --json has them all.
	problemsShown = 20
)

// verifyReport is the JSON of "zgproxy receipts verify".
type verifyReport struct {
	Receipts  int                `json:"receipts"`
	OK        int                `json:"ok"`
	Verdicts  map[zg.Verdict]int `json:"verdicts"`  // what the signatures show
	Problems  []receiptProblem   `json:"problems"`  // what is not as the receipt says
	Unchecked map[string]int     `json:"unchecked"` // what could not be checked, and of how many
}

// receiptProblem is one thing that is wrong with one receipt.
type receiptProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // of the file, or of an array the number of the receipt; from 1
	ID      string `json:"id,omitempty"`
	Problem string `json:"problem"`
}

func receiptsVerifyCommand() *cobra.Command {
	v := verification{report: verifyReport{Verdicts: make(map[zg.Verdict]int), Problems: []receiptProblem{}, Unchecked: make(map[string]int)}}
	var asJSON bool
	var request, body, bodies string
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check receipts again, without the network",
		Long: `Reads receipts and checks each separately: that the signature is the signer's and over the signed text,
that the text is about these digests, and that the verdict is what follows. Nothing is asked of the
network, the daemon or the store, and no configuration is needed.

A FILE has JSON lines, as "zgproxy receipts export" writes them, or one receipt, or an array of them;
- is the standard input. With --body and --request the answer and the request of a single receipt are
compared with it; with --bodies every receipt is compared with what a directory has of it, files named
by the request's id: ID.response and ID.request.

That the signer belongs to the provider, and that its key lives in an enclave, is not in a receipt.
The status is 0 when nothing is wrong, 1 when something is or a line cannot be read, and 2 when the
command line cannot work.`,
		Example: `  zgproxy receipts verify november.jsonl
  zgproxy receipts export | zgproxy receipts verify -
  zgproxy receipts show req_019ab3c1d2e3f405a1b2c3d4 --json | zgproxy receipts verify - --body answer.json`,
		Args: want(cobra.MinimumNArgs(1)),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, args []string) (err error) {
		if bodies != "" && (request != "" || body != "") {
			return usageError{errors.New("--bodies goes with neither --body nor --request")}
		}
		v.single = request != "" || body != ""
		if v.request, err = readBody(request); err != nil {
			return err
		}
		if v.response, err = readBody(body); err != nil {
			return err
		}
		if bodies != "" {
			if v.bodies, err = os.OpenRoot(bodies); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, v.bodies.Close()) }()
		}
		for _, name := range args {
			if err := v.file(name, cmd.InOrStdin()); err != nil {
				return err
			}
		}
		c := consoleOf(cmd)
		if asJSON {
			if err := writeJSON(c.out, v.report); err != nil {
				return err
			}
		} else {
			printVerification(c, &v.report)
		}
		if n := len(v.report.Problems); n > 0 {
			return &failedError{problem(codeReceipts, "", "%s with %s", plural(n, "problem"), plural(v.report.Receipts, "receipt")), true}
		}
		return nil
	})
	cmd.Flags().StringVar(&body, "body", "", "the answer of the single receipt, byte for byte: a `FILE`")
	cmd.Flags().StringVar(&request, "request", "", "the request of the single receipt as it was sent on: a `FILE`")
	cmd.Flags().StringVar(&bodies, "bodies", "", "a `DIR` with ID.response and ID.request for each receipt that it has them of")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// verification checks receipts one after the other.
type verification struct {
	report            verifyReport
	single            bool // there may be one receipt only
	request, response []byte
	bodies            *os.Root // nil: none
}

var errOneOnly = usageError{errors.New("--body and --request go with a single receipt, and there are several; see --bodies")}

func (v *verification) file(name string, stdin io.Reader) (err error) {
	if name == "-" {
		return v.read("-", stdin)
	}
	f, err := os.Open(name) //nolint:gosec // the file that was asked for
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return v.read(name, f)
}

// read tells what form a file has, and checks what is in it.
func (v *verification) read(name string, in io.Reader) error {
	buffered := bufio.NewReaderSize(in, 64<<10)
	first, err := peekSpaces(buffered)
	switch {
	case errors.Is(err, io.EOF):
		return nil // there is nothing in it
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case first == '[':
		return v.array(name, buffered)
	}
	return v.lines(name, buffered)
}

// peekSpaces looks at the first byte that is none.
func peekSpaces(r *bufio.Reader) (byte, error) {
	for n := 1; n <= r.Size(); n++ {
		head, err := r.Peek(n)
		if err != nil {
			return 0, err
		}
		if c := head[n-1]; !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c, nil
		}
	}
	return 0, errors.New("it is blank")
}

// lines checks a receipt a line. A file whose first line is not a whole object has one receipt, over several lines.
func (v *verification) lines(name string, in *bufio.Reader) error {
	for number := 1; ; number++ {
		line, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
			return fmt.Errorf("read %s: %w", name, err)
		}
		text := bytes.TrimSpace(line)
		if number == 1 && err == nil && bytes.HasPrefix(text, []byte("{")) && !json.Valid(text) {
			rest, readErr := io.ReadAll(io.LimitReader(in, longestReceipt))
			if readErr != nil {
				return fmt.Errorf("read %s: %w", name, readErr)
			}
			if whole := append(line, rest...); json.Valid(whole) {
				return v.receipt(name, 1, whole)
			}
			in = bufio.NewReader(io.MultiReader(bytes.NewReader(rest), in)) // lines, and the first of them is broken
		}
		switch {
		case errors.Is(err, errLong):
			v.report.Receipts++
			v.problem(name, number, "", err.Error())
		case len(text) > 0:
			if err := v.receipt(name, number, text); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

var errLong = fmt.Errorf("it is longer than %d bytes, which no receipt is", longestReceipt)

// readLine reads up to the end of a line. One that is too long is skipped, with errLong.
func readLine(in *bufio.Reader) (line []byte, err error) {
	long := false
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > longestReceipt; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLong
		default:
			return line, err
		}
	}
}

// array checks a JSON array of receipts. What follows something malformed cannot be read.
func (v *verification) array(name string, in io.Reader) error {
	bounded := &boundedReader{in, longestReceipt}
	dec := json.NewDecoder(bounded)
	_, err := dec.Token() // the bracket
	number := 1
	for err == nil && dec.More() {
		var text json.RawMessage
		bounded.left = longestReceipt
		if err = dec.Decode(&text); err != nil {
			break
		}
		if err := v.receipt(name, number, text); err != nil {
			return err
		}
		number++
	}
	if err == nil {
		_, err = dec.Token() // the other one
	}
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the array")
	}
	if _, reading := errors.AsType[*fs.PathError](err); reading {
		return fmt.Errorf("read %s: %w", name, err)
	}
	v.problem(name, number, "", "it cannot be read: "+err.Error())
	return nil
}

// boundedReader ends with errLong when more is read than was allowed since it was set last.
type boundedReader struct {
	in   io.Reader
	left int
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errLong
	}
	n, err := r.in.Read(p)
	r.left -= n
	return n, err
}

// receipt checks one receipt. The error is the command line's.
func (v *verification) receipt(file string, line int, text []byte) error {
	v.report.Receipts++
	if v.single && v.report.Receipts > 1 {
		return errOneOnly
	}
	var r zg.AnswerReceipt
	if malformed := json.Unmarshal(text, &r); malformed != nil {
		v.problem(file, line, "", "it cannot be read: "+malformed.Error())
		return nil //nolint:nilerr // it is the receipt's problem, and the next one may be fine
	}
	request, response, err := v.contents(r.ID)
	if err != nil {
		return err
	}
	found := attest.VerifyReceipt(r, request, response)
	v.report.Verdicts[found.Verdict]++
	if found.OK {
		v.report.OK++
	}
	for _, p := range found.Problems {
		v.problem(file, line, r.ID, p)
	}
	if !found.OK && len(found.Problems) == 0 {
		v.problem(file, line, r.ID, "it does not hold")
	}
	for _, u := range found.Unchecked {
		v.report.Unchecked[u]++
	}
	return nil
}

func (v *verification) problem(file string, line int, id, what string) {
	v.report.Problems = append(v.report.Problems, receiptProblem{file, line, id, what})
}

// contents are the request and the answer of a receipt, as far as they are there.
func (v *verification) contents(id string) (request, response []byte, err error) {
	if v.bodies == nil {
		return v.request, v.response, nil
	}
	if request, err = v.content(id + ".request"); err != nil {
		return nil, nil, err
	}
	response, err = v.content(id + ".response")
	return request, response, err
}

// content reads a file of the directory, and of no other whatever the id says; nil: there is none.
func (v *verification) content(name string) ([]byte, error) {
	if strings.ContainsAny(name, `/\`) {
		return nil, nil
	}
	f, err := v.bodies.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

func readBody(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name) //nolint:gosec // the file that was asked for
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

// readAll reads a file and closes it. What is empty is not nil: it is there.
func readAll(f *os.File) (data []byte, err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, largestBody+1))
	if err == nil && len(data) > largestBody {
		err = fmt.Errorf("%s is larger than %d bytes", f.Name(), largestBody)
	}
	if data == nil {
		data = []byte{}
	}
	return data, err
}

func printVerification(c console, r *verifyReport) {
	c.printf("%s checked, %d as they say.\n", plural(r.Receipts, "receipt"), r.OK)
	var t table
	for _, verdict := range inOrder(r.Verdicts) {
		t.row(fmt.Sprintf("  %d", r.Verdicts[verdict]), orNotChecked(verdict), verdictSentence(verdict))
	}
	if len(r.Verdicts) > 0 {
		c.show(&t)
	}
	if len(r.Unchecked) > 0 {
		c.printf("\nNot checked:\n")
		byCount := slices.SortedFunc(maps.Keys(r.Unchecked), func(a, b string) int {
			return cmp.Or(cmp.Compare(r.Unchecked[b], r.Unchecked[a]), cmp.Compare(a, b))
		})
		for _, what := range byCount {
			c.printf("  %s (%d)\n", what, r.Unchecked[what])
		}
	}
	if len(r.Problems) == 0 {
		return
	}
	c.printf("\n%s:\n", plural(len(r.Problems), "problem"))
	for _, p := range r.Problems[:min(problemsShown, len(r.Problems))] {
		c.printf("  %s:%d", p.File, p.Line)
		if p.ID != "" {
			c.printf(" %s", p.ID)
		}
		c.printf(": %s\n", p.Problem)
	}
	if n := len(r.Problems) - problemsShown; n > 0 {
		c.printf("  and %d more, see --json\n", n)
	}
}

func verdictSentence(v zg.Verdict) string {
	if v == "" {
		return "signatures were not being checked"
	}
	return v.Sentence()
}
