package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// archive builds for one platform and writes its archive, and beside it the list of its parts.
func (r release) archive(ctx context.Context, work string, t target, papers map[string][]byte) error {
	binary := r.binary(work, t)
	if err := r.build(ctx, t, binary); err != nil {
		return err
	}
	program, err := os.ReadFile(binary) //nolint:gosec // we built it
	if err != nil {
		return err
	}
	parts, err := billOfMaterials(program, r)
	if err != nil {
		return err
	}
	files := maps.Clone(papers)
	files["bin/zgproxy"] = program
	files["sbom.cdx.json"] = parts
	packed, err := pack(r.name(t), files, r.date)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{".tar.gz": packed, ".cdx.json": parts} {
		//nolint:gosec // a release is for everybody
		if err := os.WriteFile(filepath.Join(r.out, r.name(t)+name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pack makes a compressed archive, of files in order, owned by nobody in particular, all of one time.
func pack(top string, files map[string][]byte, at time.Time) ([]byte, error) {
	var b bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(compressed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := int64(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		header := &tar.Header{
			Typeflag: tar.TypeReg, Name: path.Join(top, name), Size: int64(len(files[name])), Mode: mode, ModTime: at,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// checksums writes SHA256SUMS, as sha256sum --check reads it.
func (r release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(content), e.Name())
	}
	r.say("%s", strings.TrimSpace(b.String()))
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(b.String()), 0o644) //nolint:gosec // as above
}
