package meter

import "fmt"

// What the compiler does for a function grows with the square of its blocks and worse: a few kilobytes could keep it busy
// for an hour, and nothing stops it. See effort. Of a function: a few seconds at worst; of a module: a minute or two. A
// Go guest of 3 MB has a tenth of it, and its largest function a fifth.
const (
	maxEffort      = 2 << 20
	maxTotalEffort = 64 << 20
	bulkBlocks     = 4 // what a bulk operation counts as
)

// And it takes memory: see size. For a function of this size some 400 MB, until the next one is compiled; a Go guest's
// largest has a fifth of it, and all of its functions together an eighth.
const (
	maxSize      = 128 << 10
	maxTotalSize = 8 << 20
)

// compilable refuses a function that the compiler would not be done with in good time.
func (f *function) compilable() error {
	if f.size() > maxSize {
		return fmt.Errorf("%d instructions and %d values that they hand over would take too much memory to compile: divide the function", f.steps, f.moved)
	}
	if f.effort() > maxEffort {
		return fmt.Errorf("%d blocks, %d of them loops, and %d jump targets, with %d locals would take too long to compile: divide the function",
			f.blocks, f.loops, f.targets, f.tempFuel)
	}
	return nil
}

// effort is about how long the function takes to compile, as far as that grows faster than its size: the compiler
// follows locals, and values that instructions leave, through every block, and several times through loops. Of a bulk
// operation it makes several blocks and a loop. The weights were found by measuring what bodies of nothing but one of
// these cost.
func (f *function) effort() int {
	blocks := f.blocks + 16*f.loops + f.targets/8
	return blocks * (32 + int(f.tempFuel) + f.steps/64 + blocks/32)
}

// size is about how many values the compiler makes of the function. It keeps hundreds of bytes for each until the
// function is compiled, and four times as much for one that is handed over: a call takes two bytes and may leave a
// thousand of them.
func (f *function) size() int { return f.steps + 4*f.moved + int(f.tempFuel) }
