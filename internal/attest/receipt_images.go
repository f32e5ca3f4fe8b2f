package attest

import (
	"context"
	"slices"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// onlyImages reports whether a body is what was passed on of the receipt's answer where all but its images was taken
// out.
func (i *inspection) onlyImages(body []byte) bool {
	found, ok := imagesOf(body)
	return i.r.VerdictCode == CodeUnsignedRemoved && ok && slices.Equal(found, i.r.ImagesSHA256) && !moreThanImages(body)
}

// besideImages judges what stands beside images that were signed one by one. Without the answer that is the receipt's
// word.
func (i *inspection) besideImages(d *derived) {
	if d.bytes != zg.ImageBytes {
		return
	}
	r := &i.r
	changed := r.VerdictCode == CodeSignerChanged
	switch extras := r.VerdictCode == CodeExtras || changed && r.Verdict == zg.VerdictSignerOnly; {
	case r.VerdictCode == CodeUnsignedRemoved && (i.response == nil || moreThanImages(i.response)):
		d.code = CodeUnsignedRemoved
	case i.response != nil && moreThanImages(i.response):
		d.verdict, d.code = zg.VerdictSignerOnly, CodeExtras
	case i.response == nil && extras:
		i.unchecked("that the answer held more than its images: that takes the answer")
		d.verdict, d.code = zg.VerdictSignerOnly, CodeExtras
	case i.response == nil && !changed:
		i.unchecked("that the answer held nothing but its images: that takes the answer")
	}
}

// moreThanImages reports whether a document of images holds anything else that a client may show.
func moreThanImages(body []byte) bool {
	doc, err := decode(context.Background(), body)
	if err != nil {
		return true
	}
	for name, v := range doc {
		list, isList := v.([]any)
		switch {
		case name != "data":
			if !silent(v) {
				return true
			}
		case !isList || slices.ContainsFunc(list, func(e any) bool { return !onlyPicture(e) }):
			return true
		}
	}
	return false
}

func onlyPicture(element any) bool {
	fields, ok := element.(map[string]any)
	for name, v := range fields {
		_, text := v.(string)
		ok = ok && (silent(v) || (name == "b64_json" && text))
	}
	return ok
}

// silent reports a value that holds no text.
func silent(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case map[string]any:
		for _, inner := range v {
			if !silent(inner) {
				return false
			}
		}
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !silent(e) })
	}
	return true
}
