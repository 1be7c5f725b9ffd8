package trellis

// The kernel of Extism: blocks of bytes that plug-in and host share, by their offset.

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(at uint64) uint32

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(at uint64) uint64

//go:wasmimport extism:host/env alloc
func alloc(size uint64) uint64

//go:wasmimport extism:host/env free
func free(at uint64)

//go:wasmimport extism:host/env length
func length(at uint64) uint64

//go:wasmimport extism:host/env load_u8
func loadU8(at uint64) uint32

//go:wasmimport extism:host/env load_u64
func loadU64(at uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeU8(at uint64, value uint32)

//go:wasmimport extism:host/env store_u64
func storeU64(at uint64, value uint64)

//go:wasmimport extism:host/env output_set
func outputSet(at uint64, size uint64)

func input() []byte {
	return loaded(inputLength(), inputLoadU8, inputLoadU64)
}

// Bytes as a new block. 0 stands for no request.
func block(bytes []byte) uint64 {
	size := len(bytes)
	at := alloc(uint64(size))
	index := 0
	for ; index+8 <= size; index += 8 {
		var word uint64
		for byteAt := range 8 {
			word |= uint64(bytes[index+byteAt]) << (8 * byteAt)
		}
		storeU64(at+uint64(index), word)
	}
	for ; index < size; index++ {
		storeU8(at+uint64(index), uint32(bytes[index]))
	}
	return at
}

// The bytes of a block, which is given back.
func taken(at uint64) []byte {
	bytes := loaded(length(at),
		func(index uint64) uint32 { return loadU8(at + index) },
		func(index uint64) uint64 { return loadU64(at + index) })
	free(at)
	return bytes
}

func loaded(size uint64, one func(uint64) uint32, eight func(uint64) uint64) []byte {
	bytes := make([]byte, size)
	at := uint64(0)
	for ; at+8 <= size; at += 8 {
		word := eight(at)
		for byteAt := range uint64(8) {
			bytes[at+byteAt] = byte(word >> (8 * byteAt))
		}
	}
	for ; at < size; at++ {
		bytes[at] = byte(one(at))
	}
	return bytes
}
