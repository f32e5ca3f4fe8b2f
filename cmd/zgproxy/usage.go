package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zgproxy/zgproxy/internal/billing"
	"github.com/zgproxy/zgproxy/internal/config"
	"github.com/zgproxy/zgproxy/internal/zg"
)

// usageReport is the JSON of "zgproxy usage".
type usageReport struct {
	Since time.Time  `json:"since"`
	By    []string   `json:"by"`
	Rows  []usageRow `json:"rows"`
	Total usageRow   `json:"total"`
}

type usageRow struct {
	Day           string    `json:"day,omitempty"`
	Model         string    `json:"model,omitempty"`
	Provider      string    `json:"provider,omitempty"`
	Key           string    `json:"key,omitempty"`
	Requests      int64     `json:"requests"`
	Open          int64     `json:"open"`
	Free          int64     `json:"free"`
	Estimated     int64     `json:"estimated"`
	InputTokens   int64     `json:"input_tokens"`
	CachedTokens  int64     `json:"cached_tokens"`
	OutputTokens  int64     `json:"output_tokens"`
	Images        int64     `json:"images"`
	Seconds       float64   `json:"seconds"`
	Fees          zg.Neuron `json:"fees_neuron"`
	FeesOg        string    `json:"fees_0g"`
	EstimatedFees zg.Neuron `json:"estimated_fees_neuron"`
	Booked        zg.Neuron `json:"booked_fees_neuron"` // what counts against the budgets for fees
}

func usageRowOf(u billing.Usage) usageRow {
	return usageRow{
		Day: u.Day, Model: u.Model, Provider: u.Provider, Key: u.Key, Requests: u.Requests, Open: u.Open, Free: u.Free, Estimated: u.Estimated,
		InputTokens: u.InputTokens, CachedTokens: u.CachedTokens, OutputTokens: u.OutputTokens, Images: u.Images, Seconds: u.Seconds,
		Fees: u.Fees, FeesOg: u.Fees.Og(), EstimatedFees: u.EstimatedFees, Booked: u.Booked,
	}
}

func usageCommand() *cobra.Command {
	var since string
	var by []string
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show what requests cost",
		Long: `Sums the requests in the spend store: how many, their tokens, images and seconds of audio, and
their fees. It reads the store beside a running daemon or without one, and changes nothing.

A fee is exact when the answer stated its usage, and else estimated, by the provider's rule for such
answers or at its upper bound; EST is how much of the fees is estimated. Where the provider's own
figures or what it took on chain tell better, that is shown instead; BOOKED is then what was recorded
first, which goes on counting against the budgets. Requests that the provider refused are free. A
request belongs to the day it came in, in UTC. KEY is how the local key appears in the
book: the first digits of its digest.`,
		Example: `  zgproxy usage                              # the last 30 days, by day and model
  zgproxy usage --since 24h --by provider
  zgproxy usage --since 2026-11-01 --by key,model
  zgproxy usage --since 7d --csv > week.csv`,
		Args: want(cobra.NoArgs),
	}
	cmd.RunE = explained(&asJSON, func(cmd *cobra.Command, _ []string) error {
		if asJSON && asCSV {
			return usageError{errors.New("--json or --csv, not both")}
		}
		groups, err := parseBy(by)
		if err != nil {
			return usageError{err}
		}
		if groups == (billing.UsageBy{}) {
			by = []string{}
		}
		from, err := parseMoment("since", since, time.Now())
		if err != nil {
			return usageError{err}
		}
		cfg, _, err := config.Load()
		if err != nil {
			return usageError{err}
		}
		rows, err := readUsage(cmd.Context(), cfg.DataDir, from, groups)
		none := errors.Is(err, billing.ErrNoStore)
		if err != nil && !none {
			return err
		}
		c := consoleOf(cmd)
		switch {
		case asJSON:
			return writeJSON(c.out, usageReportOf(from, by, rows))
		case asCSV:
			return writeUsageCSV(c.out, by, rows)
		case none:
			c.printf("No request has been recorded in %s yet. \"zgproxy serve\" writes it; ZGPROXY_DATA_DIR says where.\n", cfg.DataDir)
			return nil
		case len(rows) == 0:
			c.printf("No requests since %s. Ask for a longer time with --since, such as --since 90d.\n", from.Format("2006-01-02 15:04 MST"))
			return nil
		}
		return writeUsageTable(c, by, rows)
	})
	f := cmd.Flags()
	f.StringVar(&since, "since", "30d", "how far back: a `TIME` such as 24h, 7d or 2026-11-01 (a day, in UTC)")
	f.StringSliceVar(&by, "by", []string{"day", "model"}, "one line for each `WHAT`: day, model, provider, key, several of them separated by commas, or none")
	f.BoolVar(&asJSON, "json", false, "one JSON object")
	f.BoolVar(&asCSV, "csv", false, "comma-separated values with a header line")
	return cmd
}

func readUsage(ctx context.Context, dir string, since time.Time, by billing.UsageBy) (_ []billing.Usage, err error) {
	r, err := billing.OpenReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Usage(ctx, since, time.Time{}, by)
}

func parseBy(words []string) (by billing.UsageBy, err error) {
	for _, w := range words {
		switch w {
		case "day":
			by.Day = true
		case "model":
			by.Model = true
		case "provider":
			by.Provider = true
		case "key":
			by.Key = true
		case "none":
			if len(words) > 1 {
				return by, errors.New("--by none goes with nothing else")
			}
		default:
			return by, fmt.Errorf("--by %q: wanted: day, model, provider or key, or several of them separated by commas", w)
		}
	}
	return by, nil
}

// parseMoment reads how long ago something was, in days too, or a day, or an exact time.
func parseMoment(flag, s string, now time.Time) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	back, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		back = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || back < 0 {
		return time.Time{}, fmt.Errorf("--%s %q: wanted: a duration such as 24h or 7d, or a day such as 2026-11-01", flag, s)
	}
	return now.Add(-back).UTC(), nil
}

func usageReportOf(since time.Time, by []string, rows []billing.Usage) usageReport {
	out := usageReport{Since: since, By: by, Rows: []usageRow{}}
	var total billing.Usage
	for _, u := range rows {
		out.Rows = append(out.Rows, usageRowOf(u))
		total.Add(u)
	}
	out.Total = usageRowOf(total)
	return out
}

// groupsOf are the values that a row is grouped by, in the order asked for.
func groupsOf(u billing.Usage, by []string) []string {
	out := make([]string, len(by))
	for i, w := range by {
		out[i] = map[string]string{"day": u.Day, "model": u.Model, "provider": u.Provider, "key": u.Key}[w]
		out[i] = oneLine(out[i]) // a model's name is its provider's
	}
	return out
}

func writeUsageCSV(w io.Writer, by []string, rows []billing.Usage) error {
	out := csv.NewWriter(w)
	header := append(slices.Clone(by), "requests", "open", "free", "estimated", "input_tokens", "cached_tokens", "output_tokens", "images", "seconds",
		"fees_neuron", "fees_0g", "estimated_fees_neuron", "booked_fees_neuron")
	if err := out.Write(header); err != nil {
		return err
	}
	for _, u := range rows {
		line := groupsOf(u, by)
		for _, n := range []int64{u.Requests, u.Open, u.Free, u.Estimated, u.InputTokens, u.CachedTokens, u.OutputTokens, u.Images} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		line = append(line, strconv.FormatFloat(u.Seconds, 'f', -1, 64), u.Fees.String(), u.Fees.Og(), u.EstimatedFees.String(), u.Booked.String())
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// writeUsageTable leaves out columns in which there is nothing. On a terminal, a bar shows where the money went.
func writeUsageTable(c console, by []string, rows []billing.Usage) error {
	var total billing.Usage
	most := zg.NeuronOf(1)
	for _, u := range rows {
		total.Add(u)
		most = most.Max(u.Fees)
	}
	tw := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(groups []string, u *billing.Usage, titles bool) { // the groups are padded: the writer aligns to the right
		var cells []string
		add := func(show bool, title, value string) {
			if titles {
				value = title
			}
			if show {
				cells = append(cells, value)
			}
		}
		add(true, "REQUESTS", strconv.FormatInt(u.Requests, 10))
		add(total.Open > 0, "OPEN", strconv.FormatInt(u.Open, 10))
		add(total.Free > 0, "FREE", strconv.FormatInt(u.Free, 10))
		add(true, "IN", strconv.FormatInt(u.InputTokens, 10))
		add(total.CachedTokens > 0, "CACHED", strconv.FormatInt(u.CachedTokens, 10))
		add(true, "OUT", strconv.FormatInt(u.OutputTokens, 10))
		add(total.Images > 0, "IMAGES", strconv.FormatInt(u.Images, 10))
		add(total.Seconds > 0, "SECONDS", strconv.FormatFloat(u.Seconds, 'f', 1, 64))
		add(true, "0G", u.Fees.Og())
		add(true, "NEURON", u.Fees.String())
		add(total.Estimated > 0, "EST", share(u.EstimatedFees, u.Fees))
		add(total.Booked != total.Fees, "BOOKED", u.Booked.Og())
		_, _ = fmt.Fprint(tw, strings.Join(append(groups, cells...), "\t")+"\t") // into memory
		if c.shown && len(rows) > 1 && !titles && u != &total {
			_, _ = fmt.Fprint(tw, " "+bar(u.Fees, most)) // as above
		}
		_, _ = fmt.Fprintln(tw) // as above
	}
	widths := make([]int, len(groupsOf(total, by)))
	pad := func(groups []string) []string {
		for i, g := range groups {
			if g == "" {
				groups[i] = "-"
			}
			groups[i] += strings.Repeat(" ", max(0, widths[i]-len([]rune(groups[i]))))
		}
		return groups
	}
	titles := make([]string, len(by))
	for i, w := range by {
		titles[i] = strings.ToUpper(w)
	}
	for i, t := range titles {
		widths[i] = max(len(t), len("total"))
		for _, u := range rows {
			widths[i] = max(widths[i], len([]rune(groupsOf(u, by)[i])))
		}
	}
	line(pad(titles), &total, true)
	for i := range rows {
		line(pad(groupsOf(rows[i], by)), &rows[i], false)
	}
	if len(rows) > 1 {
		groups := pad(groupsOf(total, by))
		if len(groups) > 0 {
			groups[0] = "total" + strings.Repeat(" ", widths[0]-len("total"))
			for i := 1; i < len(groups); i++ {
				groups[i] = strings.Repeat(" ", widths[i])
			}
		}
		line(groups, &total, false)
	}
	return tw.Flush()
}

// share is a part of a whole in per cent, rounded up: a little is not nothing.
func share(part, whole zg.Neuron) string {
	if part.IsZero() || whole.IsZero() {
		return "0%"
	}
	n := part.MulDiv(100, 1)
	for i := uint64(1); i < 100; i++ {
		if n.Cmp(whole.Mul(i)) <= 0 {
			return strconv.FormatUint(i, 10) + "%"
		}
	}
	return "100%"
}

// bar is as long as the part that an amount is of the largest one.
func bar(n, most zg.Neuron) string {
	const width = 20
	return strings.Repeat("█", int(n.Float()/most.Float()*width+0.5))
}
