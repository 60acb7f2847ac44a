package wasm

import (
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

const (
	wasiModule = "wasi_snapshot_preview1"

	// Error numbers of WASI preview 1.
	errnoOK    = 0
	errnoBadf  = 8
	errnoFault = 21
	errnoInval = 28
	errnoNosys = 52
)

// wasi lists the functions of WASI preview 1 that resolve, with their parameters (i: i32, I: i64). Compilers import more
// than programs use, so all of them link; those without an implementation fail with ENOSYS, those on files with EBADF.
// https://github.com/WebAssembly/WASI/blob/snapshot-01/phases/snapshot/docs.md
var wasi = []struct {
	name, params string
	call         func(in *instance, stack []uint64) uint64
}{
	{"args_get", "ii", func(*instance, []uint64) uint64 { return errnoOK }},
	{"args_sizes_get", "ii", func(in *instance, s []uint64) uint64 { return in.sizes(s, 0, 0) }},
	{"environ_get", "ii", wasiEnviron},
	{"environ_sizes_get", "ii", func(in *instance, s []uint64) uint64 {
		env := in.environment()
		return in.sizes(s, 1, uint32(len(env)+1))
	}},
	{"clock_res_get", "ii", func(in *instance, s []uint64) uint64 { return in.put64(s[1], 1000) }},
	{"clock_time_get", "iIi", wasiClock},
	{"random_get", "ii", wasiRandom},
	{"fd_write", "iiii", wasiWrite},
	{"poll_oneoff", "iiii", wasiPoll},
	{"sched_yield", "", func(*instance, []uint64) uint64 { return errnoOK }},
	{"fd_advise", "iIIi", badf},
	{"fd_allocate", "iII", badf},
	{"fd_close", "i", badf},
	{"fd_datasync", "i", badf},
	{"fd_fdstat_get", "ii", badf},
	{"fd_fdstat_set_flags", "ii", badf},
	{"fd_fdstat_set_rights", "iII", badf},
	{"fd_filestat_get", "ii", badf},
	{"fd_filestat_set_size", "iI", badf},
	{"fd_filestat_set_times", "iIIi", badf},
	{"fd_pread", "iiiIi", badf},
	{"fd_prestat_get", "ii", badf},
	{"fd_prestat_dir_name", "iii", badf},
	{"fd_pwrite", "iiiIi", badf},
	{"fd_read", "iiii", badf},
	{"fd_readdir", "iiiIi", badf},
	{"fd_renumber", "ii", badf},
	{"fd_seek", "iIii", badf},
	{"fd_sync", "i", badf},
	{"fd_tell", "ii", badf},
	{"path_create_directory", "iii", badf},
	{"path_filestat_get", "iiiii", badf},
	{"path_filestat_set_times", "iiiiIIi", badf},
	{"path_link", "iiiiiii", badf},
	{"path_open", "iiiiiIIii", badf},
	{"path_readlink", "iiiiii", badf},
	{"path_remove_directory", "iii", badf},
	{"path_rename", "iiiiii", badf},
	{"path_symlink", "iiiii", badf},
	{"path_unlink_file", "iii", badf},
	{"proc_raise", "i", nosys},
	{"sock_accept", "iii", badf},
	{"sock_recv", "iiiiii", badf},
	{"sock_send", "iiiii", badf},
	{"sock_shutdown", "ii", badf},
}

func badf(*instance, []uint64) uint64  { return errnoBadf }
func nosys(*instance, []uint64) uint64 { return errnoNosys }

func wasiFuncs() []hostFunc {
	funcs := []hostFunc{{"proc_exit", []api.ValueType{vi32}, nil, func(_ *instance, stack []uint64) {
		panic(sys.NewExitError(uint32(stack[0]))) // wazero ends the call with it
	}}}
	for _, f := range wasi {
		var params []api.ValueType
		for _, c := range f.params {
			params = append(params, map[rune]api.ValueType{'i': vi32, 'I': vi64}[c])
		}
		call := f.call
		funcs = append(funcs, hostFunc{f.name, params, []api.ValueType{vi32}, func(in *instance, stack []uint64) {
			stack[0] = call(in, stack)
		}})
	}
	return funcs
}

// assemblyScriptFuncs is the one function that its compiler imports: abort(message, file, line, column).
func assemblyScriptFuncs() []hostFunc {
	return []hostFunc{{"abort", []api.ValueType{vi32, vi32, vi32, vi32}, nil, func(_ *instance, stack []uint64) {
		panic(fmt.Errorf("abort at line %d, column %d", uint32(stack[2]), uint32(stack[3]))) // wazero ends the call with it
	}}}
}

func (in *instance) put32(ptr uint64, v uint32) uint64 {
	b, ok := in.view(ptr, 4)
	if !ok {
		return errnoFault
	}
	binary.LittleEndian.PutUint32(b, v)
	return errnoOK
}

func (in *instance) put64(ptr, v uint64) uint64 {
	b, ok := in.view(ptr, 8)
	if !ok {
		return errnoFault
	}
	binary.LittleEndian.PutUint64(b, v)
	return errnoOK
}

func (in *instance) sizes(s []uint64, count, size uint32) uint64 {
	at, sizeAt := s[0], s[1]
	if e := in.put32(at, count); e != errnoOK {
		return e
	}
	return in.put32(sizeAt, size)
}

// environment holds one variable: Go guests collect garbage before they reach the cap instead of after.
func (in *instance) environment() string {
	return fmt.Sprintf("GOMEMLIMIT=%dB", in.module.limits.Memory/10*8)
}

func wasiEnviron(in *instance, s []uint64) uint64 {
	list, text := s[0], s[1]
	env := in.environment() + "\x00"
	b, ok := in.view(text, uint64(len(env)))
	if !ok {
		return errnoFault
	}
	copy(b, env)
	return in.put32(list, uint32(text))
}

func wasiClock(in *instance, s []uint64) uint64 {
	if uint32(s[0]) == 0 {
		return in.put64(s[2], uint64(in.now)*1e6)
	}
	return in.put64(s[2], uint64(in.tick()))
}

func wasiRandom(in *instance, s []uint64) uint64 {
	b, ok := in.view(s[0], s[1])
	if !ok {
		return errnoFault
	}
	const most = 1 << 20 // a guest must not spend the host's time
	if len(b) > most {
		return errnoInval
	}
	in.spend(uint64(len(b)))
	in.fill(b)
	return errnoOK
}

func wasiWrite(in *instance, s []uint64) uint64 {
	var to *stream
	switch fd := uint32(s[0]); fd {
	case 1:
		to = &in.stdout
	case 2:
		to = &in.stderr
	default:
		return errnoBadf
	}
	count, done := uint32(s[2]), s[3]
	if count > 1024 {
		return errnoInval
	}
	in.spend(32 * uint64(count))
	total := uint32(0)
	for i := range count {
		vec, ok := in.view(uint64(uint32(s[1]))+uint64(i)*8, 8)
		if !ok {
			return errnoFault
		}
		n := binary.LittleEndian.Uint32(vec[4:])
		b, ok := in.view(uint64(binary.LittleEndian.Uint32(vec)), uint64(n))
		if !ok {
			return errnoFault
		}
		to.write(b)
		total += n
	}
	return in.put32(done, total)
}

// wasiPoll says that everything that was waited for has happened. A wait for a clock moves the clock.
func wasiPoll(in *instance, s []uint64) uint64 {
	const subscription, event = 48, 32
	subs, events, count, done := uint64(uint32(s[0])), uint64(uint32(s[1])), uint32(s[2]), s[3]
	if count == 0 || count > 64 {
		return errnoInval
	}
	in.spend(32 * uint64(count))
	for i := range uint64(count) {
		sub, ok := in.view(subs+i*subscription, subscription)
		if !ok {
			return errnoFault
		}
		out, ok := in.view(events+i*event, event)
		if !ok {
			return errnoFault
		}
		var e [event]byte
		copy(e[:8], sub[:8]) // user data
		e[10] = sub[8]       // type
		if sub[8] == 0 {
			timeout, absolute := int64(binary.LittleEndian.Uint64(sub[24:])), sub[40]&1 != 0
			if absolute {
				in.ticks = max(in.ticks, timeout)
			} else if timeout > 0 {
				in.ticks += min(timeout, 1<<40)
			}
		}
		copy(out, e[:])
	}
	return in.put32(done, count)
}
