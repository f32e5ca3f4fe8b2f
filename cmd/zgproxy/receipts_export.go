package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/zg"
)

func receiptsExportCommand() *cobra.Command {
	var f receiptsFlags
	var out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write receipts as JSON lines",
		Long: `Writes receipts, one JSON object a line, the oldest first: to the standard output, or with --out to a
file that only you may read and that is there whole or not at all. The format is that of
docs/receipts.md.`,
		Example: `  zgproxy receipts export --since 2026-11-01 --until 2026-12-01 --out november.jsonl
  zgproxy receipts export | zgproxy receipts verify -`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(new(bool), func(cmd *cobra.Command, _ []string) error {
		when, filter, err := f.parse(time.Now())
		if err != nil {
			return err
		}
		var missing error
		written, shown := 0, false
		write := func(w io.Writer) error {
			buffered := bufio.NewWriterSize(w, 64<<10)
			for r, err := range receiptsOf(cmd.Context(), when, filter, &missing) {
				if err != nil {
					return err
				}
				if err := writeLine(buffered, &r, shown); err != nil {
					return err
				}
				written++
			}
			return buffered.Flush()
		}
		c := consoleOf(cmd)
		if out == "" {
			shown = c.shown
			return write(exactly(c.out))
		}
		if err := writeFile(out, write); err != nil {
			return fmt.Errorf("write the receipts to %s: %w", out, err)
		}
		c.printf("%s written to %s.\n", plural(written, "receipt"), out)
		return nil
	})
	f.add(cmd, "30d")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write to a `FILE`, which is replaced")
	return cmd
}

// writeLine writes a receipt as a line. On a terminal, where it is shown, what a terminal may act on is escaped: the line says
// the same then, with other bytes.
func writeLine(w io.Writer, r *zg.AnswerReceipt, shown bool) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return err
	}
	text := line.Bytes()
	if shown {
		text = zg.EscapeJSON(text)
	}
	_, err := w.Write(text)
	return err
}

// writeFile replaces a file, readable by its owner only, in one step: whatever happens, it is the old one or the new one.
func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
