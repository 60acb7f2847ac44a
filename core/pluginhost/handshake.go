package pluginhost

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/tocsinhq/tocsin/sdk/plugin"
)

const maxHandshake = 16 << 10 // bytes; a certificate is some 700

// readHandshake reads the first line that a plugin prints and checks it before go-plugin sees it: its complaints are
// for those who know go-plugin.
func readHandshake(r *bufio.Reader, socketDir string) (string, error) {
	var line []byte
	for {
		chunk, err := r.ReadSlice('\n')
		line = append(line, chunk...)
		switch {
		case len(line) > maxHandshake:
			return "", fmt.Errorf("it printed a line of more than %d bytes where the handshake was expected, beginning with %.60q", maxHandshake, line)
		case err == nil:
			text := strings.TrimSpace(string(line))
			return text, checkHandshake(text, socketDir)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", errors.New("it ended before the handshake")
		default:
			return "", fmt.Errorf("it ended inside the handshake, after %.60q", line)
		}
	}
}

// checkHandshake checks CORE-VERSION|VERSION|NETWORK|ADDRESS|PROTOCOL|CERTIFICATE; more fields may follow.
func checkHandshake(line, socketDir string) error {
	fields := strings.Split(line, "|")
	if len(fields) < 4 {
		return fmt.Errorf("it printed %.60q where the handshake was expected: it is no plugin, or prints something before it serves", line)
	}
	if fields[0] != strconv.Itoa(goplugin.CoreProtocolVersion) {
		return fmt.Errorf("it speaks version %.20q of go-plugin's handshake, this Tocsin speaks %d", fields[0], goplugin.CoreProtocolVersion)
	}
	if fields[1] != strconv.Itoa(plugin.ProtocolVersion) {
		return fmt.Errorf("it speaks version %.20q of the plugin protocol, this Tocsin speaks %d: get one that was built for this Tocsin", fields[1], plugin.ProtocolVersion)
	}
	if fields[2] != "unix" || filepath.Dir(fields[3]) != socketDir {
		return fmt.Errorf("it listens on %.20q %.120q, not on a unix socket in the directory that PLUGIN_UNIX_SOCKET_DIR names", fields[2], fields[3])
	}
	if len(fields) < 5 || fields[4] != string(goplugin.ProtocolGRPC) {
		return errors.New("it does not speak gRPC")
	}
	if len(fields) < 6 || len(fields[5]) <= 50 {
		return errors.New("it answered without a certificate: it must support go-plugin's AutoMTLS")
	}
	return nil
}

// firstLine is the standard output that go-plugin sees: one line, when there is one, and then the end.
type firstLine struct {
	ready chan struct{} // closed when rest is set
	rest  string
}

func newFirstLine() *firstLine { return &firstLine{ready: make(chan struct{})} }

// set hands out the line; "" is the end at once. It is called once.
func (f *firstLine) set(line string) {
	if line != "" {
		f.rest = line + "\n"
	}
	close(f.ready)
}

func (f *firstLine) Read(p []byte) (int, error) {
	<-f.ready
	if f.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (f *firstLine) Close() error { return nil }
