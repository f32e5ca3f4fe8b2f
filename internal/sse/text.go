package sse

import (
	"bytes"
	"strings"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// textReader counts words and remembers the end of the last cue of subtitles.
type textReader struct {
	wordCounter
	line []byte
	end  float64
}

func (t *textReader) write(p []byte) {
	t.wordCounter.write(p)
	for _, c := range p {
		if c != '\n' {
			if len(t.line) < 256 {
				t.line = append(t.line, c)
			}
			continue
		}
		t.cue()
	}
}

func (t *textReader) cue() {
	if _, after, ok := bytes.Cut(t.line, []byte("-->")); ok {
		if f := strings.Fields(string(after)); len(f) > 0 {
			if s, ok := cueTime(f[0]); ok {
				t.end = max(t.end, s)
			}
		}
	}
	t.line = t.line[:0]
}

// longestPart is what no hours, minutes or seconds of a time are above.
const longestPart = 1e6

// cueTime reads 00:01:02,345 and 01:02.345.
func cueTime(s string) (float64, bool) {
	var total float64
	for part := range strings.SplitSeq(strings.Replace(s, ",", ".", 1), ":") {
		f := zg.ReadFigure([]byte(part))
		if !f.Told() || f.Bad() || f.Float() > longestPart || strings.HasPrefix(part, "-") { // -00:05 is not five seconds
			return 0, false
		}
		total = total*60 + f.Float()
	}
	return total, true
}

func (t *textReader) finish(s *Summary) {
	t.cue()
	s.Usage.Words, s.Usage.WordsCounted = t.words, t.end <= 0
	if t.end > 0 {
		s.Usage.Seen, s.Usage.BySeconds, s.Usage.Seconds = true, true, t.end
	}
}
