// Package pack makes rule modules, WebAssembly with its manifest in a custom section, of Go packages and of what other
// compilers made.
package pack

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tocsinhq/tocsin/core/wasm/meter"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// Build compiles the Go package in dir to the rule module out, see [Write]. The package is built twice: as a native program,
// which is run to learn the manifest, and for the sandbox. It needs the go command and nothing else.
func Build(ctx context.Context, dir, out string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("build rule module: %w", err)
	}
	temp, err := os.MkdirTemp("", "tocsin-rule-")
	if err != nil {
		return fmt.Errorf("build rule module %s: %w", dir, err)
	}
	defer func() { _ = os.RemoveAll(temp) }()

	manifest, err := describe(ctx, dir, filepath.Join(temp, "native"))
	if err != nil {
		return err
	}
	guest := filepath.Join(temp, "guest.wasm")
	if err := compile(ctx, dir, guest, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, "-buildmode=c-shared"); err != nil {
		return err
	}
	code, err := os.ReadFile(guest)
	if err != nil {
		return fmt.Errorf("build rule module %s: %w", dir, err)
	}
	if code, err = Attach(code, manifest); err != nil {
		return fmt.Errorf("build rule module %s: %w", dir, err)
	}
	return Write(out, code)
}

// Attach returns a module with manifest (JSON) in the custom section for it, in the place of one that was there.
func Attach(code, manifest []byte) ([]byte, error) {
	if _, err := abi.ParseManifest(manifest); err != nil {
		return nil, err
	}
	parsed, err := meter.Parse(code)
	if err != nil {
		return nil, err
	}
	content := binary.AppendUvarint(nil, uint64(len(abi.ManifestSection)))
	content = append(append(content, abi.ManifestSection...), manifest...)
	stripped, err := parsed.Strip()
	if err != nil {
		return nil, err
	}
	packed := append(stripped, 0)
	packed = binary.AppendUvarint(packed, uint64(len(content)))
	return append(packed, content...), nil
}

// describe runs the package natively, which prints its manifest, and names a module that has no name after its folder.
func describe(ctx context.Context, dir, program string) ([]byte, error) {
	if err := compile(ctx, dir, program, []string{"GOOS=", "GOARCH="}); err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ask rule module %s for its manifest: %w: %s", dir, err, tail(stderr.Bytes()))
	}
	var m abi.Manifest
	if err := json.Unmarshal(stdout.Bytes(), &m); err != nil {
		return nil, fmt.Errorf("ask rule module %s for its manifest: main must call rule.Main and print nothing: %w", dir, err)
	}
	if m.Name == "" {
		m.Name = strings.ReplaceAll(filepath.Base(dir), "-", "_")
	}
	return json.Marshal(m)
}

func compile(ctx context.Context, dir, out string, env []string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-ldflags=-s -w"}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", out, ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build rule module %s: %w:\n%s", dir, err, tail(output))
	}
	return nil
}

// Write puts a module in place at once: whoever reads it sees the old or the new one. It is compressed where the name ends
// in .gz.
func Write(out string, code []byte) error {
	if strings.HasSuffix(out, ".gz") {
		code = compressed(code)
	}
	f, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+".*")
	if err != nil {
		return fmt.Errorf("write rule module %s: %w", out, err)
	}
	_, err = f.Write(code)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), out)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write rule module %s: %w", out, err)
	}
	return nil
}

// compressed is the gzip form of code, the same bytes for the same code.
func compressed(code []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(code)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a Buffer does not fail, and there is this level
	}
	return b.Bytes()
}

// tail shortens the output of a tool.
func tail(output []byte) string {
	const most = 4 << 10
	text := strings.TrimSpace(string(output))
	if len(text) > most {
		text = "… " + text[len(text)-most:]
	}
	return text
}
