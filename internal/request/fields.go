package request

import (
	"fmt"
	"math"
	"strconv"
)

// Fields are the small fields of a form that decide where it goes and what it can cost.
type Fields struct {
	N              uint64 // answers or images asked for; at least 1
	Seconds        uint64 // of video, rounded up; 0: not told
	MaxDuration    uint64 // seconds of generated audio, rounded up; 0: not limited
	Size           string
	ResponseFormat string
	Stream         bool

	counted bool // n was told
}

// read takes over a field. Where one that costs money is told twice, it is refused, or the larger one counts.
func (f *Fields) read(name string, value []byte) error {
	switch name {
	case "n":
		if f.counted {
			return twice(name)
		}
		f.counted = true
		if len(value) == 0 {
			return nil
		}
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || n == 0 {
			return badField(name, "a positive whole number")
		}
		f.N = n
	case "seconds", "max_duration":
		s, ok := upToSeconds(string(value))
		if !ok && len(value) > 0 {
			return badField(name, "a number of seconds")
		}
		if name == "seconds" {
			f.Seconds = max(f.Seconds, s)
		} else {
			f.MaxDuration = max(f.MaxDuration, s)
		}
	case "size":
		f.Size = string(value)
	case "response_format":
		if f.ResponseFormat != "" && f.ResponseFormat != string(value) {
			return twice(name) // what is signed, and how it is billed, depends on it, and providers take one or the other
		}
		f.ResponseFormat = string(value)
	case "stream":
		f.Stream = f.Stream || string(value) == "true"
	}
	return nil
}

func badField(name, what string) error {
	return &Error{Param: name, Message: fmt.Sprintf("Invalid value for '%s': %s is expected.", name, what), Offset: -1}
}

func twice(name string) error {
	return &Error{Param: name, Message: fmt.Sprintf("The field '%s' appears twice.", name), Offset: -1}
}

// costly reports a field that must not be taken for something else.
func costly(name string) bool {
	switch name {
	case "model", "n", "seconds", "max_duration":
		return true
	}
	return false
}

// upToSeconds reads a length in decimal, rounded up to whole seconds.
func upToSeconds(text string) (uint64, bool) {
	for _, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			return 0, false // hexadecimal, infinite, not a number
		}
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || s < 0 || s > math.MaxInt32 {
		return 0, false
	}
	return uint64(math.Ceil(s)), true
}
