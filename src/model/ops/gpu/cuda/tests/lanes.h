// Runs the kernels of this folder on the processor, lane by lane: each thread of a block is a
// context of its own, and they take turns wherever the hardware would let them wait for each other.
// This file replaces instructions.cu. Memory outside the buffers, or not aligned as the load needs
// it, ends the program.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

typedef unsigned int u32;
typedef unsigned short bf16;
typedef struct { u32 x, y; } uint2;
typedef struct { u32 x, y, z, w; } uint4;
typedef struct { float x, y, z, w; } float4;
typedef struct { u32 x, y, z; } dim3;

#define KERNEL(threads, blocks) static void
#define FUNCTION static inline
#define __shared__ static
#define THREADS 256

static dim3 blockIdx, gridDim;
static int thread_now;
#define threadIdx ((dim3){(u32)thread_now, 0, 0})
FUNCTION int thread_again(void) { return thread_now; }
FUNCTION int block_again(void) { return (int)blockIdx.x; }

// --- threads ---------------------------------------------------------------------------------------

static ucontext_t scheduler, threads[THREADS];
static int is_over[THREADS];
static char *stacks;
static void (*body)(void);

static void run_thread(void) {
  body();
  is_over[thread_now] = 1;
  swapcontext(&threads[thread_now], &scheduler);
}

static void let_others_run(void) {
  const int mine = thread_now;
  swapcontext(&threads[mine], &scheduler);
  thread_now = mine;
}

typedef struct { int arrived, generation; } barrier;

static void wait_at(barrier *at, int count) {
  const int generation = at->generation;
  if (++at->arrived == count) {
    at->arrived = 0;
    at->generation++;
    return;
  }
  while (at->generation == generation) let_others_run();
}

static barrier of_block, of_warp[THREADS / 32];
FUNCTION void __syncthreads(void) { wait_at(&of_block, THREADS); }

// Every block of a grid, one after the other.
static void run_grid(void (*kernel)(void), u32 x, u32 y) {
  if (!stacks) stacks = malloc((size_t)THREADS << 16);
  body = kernel;
  gridDim = (dim3){x, y, 1};
  for (u32 block_y = 0; block_y < y; block_y++)
    for (u32 block_x = 0; block_x < x; block_x++) {
      blockIdx = (dim3){block_x, block_y, 0};
      for (int i = 0; i < THREADS; i++) {
        getcontext(&threads[i]);
        threads[i].uc_stack.ss_sp = stacks + ((size_t)i << 16);
        threads[i].uc_stack.ss_size = 1 << 16;
        threads[i].uc_link = NULL;
        makecontext(&threads[i], run_thread, 0);
        is_over[i] = 0;
      }
      for (int running = THREADS; running > 0;)
        for (int i = running = 0; i < THREADS; i++)
          if (!is_over[i]) {
            thread_now = i;
            swapcontext(&scheduler, &threads[i]);
            running += !is_over[i];
          }
    }
}

// --- memory ----------------------------------------------------------------------------------------

static struct { const char *start, *end; } buffers[16];
static int buffer_count;

static void *buffer(size_t bytes) {
  char *start = aligned_alloc(256, (bytes + 255) / 256 * 256);
  buffers[buffer_count].start = start;
  buffers[buffer_count++].end = start + bytes;
  return start;
}

static void check(const void *at, size_t bytes) {
  const char *from = at;
  int is_inside = 0;
  for (int i = 0; i < buffer_count; i++)
    is_inside |= from >= buffers[i].start && from + bytes <= buffers[i].end;
  if (!is_inside || (uintptr_t)at % bytes != 0) {
    fprintf(stderr, "thread %d of block %u, %u reads or writes %zu bytes %s\n", thread_now, blockIdx.x,
            blockIdx.y, bytes, is_inside ? "at an odd address" : "outside of the buffers");
    exit(1);
  }
}

FUNCTION uint4 load_weight(const bf16 *from) { check(from, 16); return *(const uint4 *)from; }
FUNCTION uint2 load_4(const bf16 *from) { check(from, 8); return *(const uint2 *)from; }
FUNCTION uint4 load_8(const bf16 *from) { check(from, 16); return *(const uint4 *)from; }
FUNCTION float4 load_sums(const float *from) { check(from, 16); return *(const float4 *)from; }
FUNCTION void store_4(bf16 *to, uint2 v) { check(to, 8); *(uint2 *)to = v; }
FUNCTION void store_sum(float *to, float sum) { check(to, 4); *to = sum; }

// --- arithmetic ------------------------------------------------------------------------------------

FUNCTION float widen(u32 upper_half) {
  float v;
  memcpy(&v, &upper_half, 4);
  return v;
}

static u32 round_1(float v) {
  u32 bits;
  memcpy(&bits, &v, 4);
  if (v != v) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
FUNCTION u32 round_2(float low, float high) { return round_1(low) | round_1(high) << 16; }

// Byte i of the result is the byte of b:a that the i-th hexadecimal digit of `selector` names.
FUNCTION u32 __byte_perm(u32 a, u32 b, u32 selector) {
  const uint64_t both = (uint64_t)b << 32 | a;
  u32 v = 0;
  for (int i = 0; i < 4; i++) v |= (u32)(both >> 8 * (selector >> 4 * i & 7) & 0xff) << 8 * i;
  return v;
}

// The registers of the lanes of a warp; two sets, because a lane may be one mma ahead of others.
static u32 fragments[THREADS / 32][2][32][6];
static int turn[THREADS];

FUNCTION float half_of(u32 both, int index) { return widen(index ? both & 0xffff0000u : both << 16); }

// PTX manual, "matrix fragments for mma.m16n8k16" of .bf16: element i of a (two in each register) is
// in row groupID, or groupID + 8 for i = 2, 3, 6, 7, and in column 2 · threadID_in_group + (i & 1),
// 8 more from i = 4 on. Element i of b is in row 2 · threadID_in_group + (i & 1), 8 more from i = 2
// on, and in column groupID. Element i of c is in row groupID, 8 more from i = 2 on, and in column
// 2 · threadID_in_group + (i & 1).
static void mma(float *c, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  const int lane = thread_now % 32, warp = thread_now / 32;
  u32(*set)[6] = fragments[warp][turn[thread_now]];
  turn[thread_now] ^= 1;
  const u32 mine[6] = {a0, a1, a2, a3, b0, b1};
  memcpy(set[lane], mine, sizeof mine);
  wait_at(&of_warp[warp], 32);
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + (i >= 2 ? 8 : 0), column = 2 * (lane % 4) + (i & 1);
    for (int k = 0; k < 16; k++) {
      const u32 *of_a = set[4 * (row % 8) + k % 8 / 2], *of_b = set[4 * column + k % 8 / 2];
      const int element_a = (k & 1) + (row >= 8 ? 2 : 0) + (k >= 8 ? 4 : 0);
      const int element_b = (k & 1) + (k >= 8 ? 2 : 0);
      c[i] += half_of(of_a[element_a / 2], k & 1) * half_of(of_b[4 + element_b / 2], k & 1);
    }
  }
}
