// part[split][row][column] = the sum over a span of k of x[row][k] · w[k][column], for up to 64 rows.
//
// The weights go from memory to the tensor cores through registers: no shared memory, no
// transposition. The transposed weights are the operand of 16 rows, and eight rows of x fill the
// other one. A warp covers 64 columns, and SIDE warps are side by side. The others of a block split
// its span of k, and their sums are added in their order; the blocks of a column split k by its shape alone. So no digit of a row
// depends on the other rows or on their number, and there are no atomics.
//
// Constants in front of the text:
//   BLOCKS      of eight rows: 1, 2, 4 or 8
//   K           a multiple of STEP (16, or 32 if the weight is turned)
//   SPAN        k of one block, a multiple of DEPTH · STEP
//   SIDE        warps side by side, which read the same of x: 1 or 2
//   MAPS        matrices that share x: 1 to 3
//   N0, N1, N2  their columns, multiples of 8; 0 beyond MAPS
//   RAGGED      1 if one of them is no multiple of 64
//   TURNED      1 if the (only) weight is stored as [columns][k], as an output head is
//   PX          from one row of x to the next, a multiple of 8
//   P0, P1, P2  from one stored row of a weight to the next, multiples of 8
//   AHEAD       steps whose weights are in flight: 16 loads of 16 bytes a lane
// Grid: (tiles of 64 · SIDE columns of all maps, splits). Block: 256 threads.
//
// Budget for sm_80, sm_90a and sm_100, which `just check-cuda` enforces:
//   budget BLOCKS=1 registers=128 spilled=0 shared=17408
//   budget BLOCKS=2 RAGGED=0 registers=128 spilled=0 shared=17408
//   budget BLOCKS=2 RAGGED=1 registers=128 spilled=48 shared=17408
//   budget BLOCKS=4 registers=255 spilled=0 shared=17408
//   budget BLOCKS=8 RAGGED=0 registers=255 spilled=0 shared=17408
//   budget BLOCKS=8 RAGGED=1 registers=255 spilled=64 shared=17408
// Bytes are those of a thread that ptxas writes to local memory and reads back. 128 registers let two
// blocks share a multiprocessor: 128 KiB in flight, where about 40 are needed.

#define WARPS 8
#define DEPTH (WARPS / SIDE)
#define TILE (64 * SIDE)
#define TILES(n) (((n) + TILE - 1) / TILE)
#define COLUMNS (N0 + N1 + N2)

#if TURNED
#define STEP 32
#define LOADS 8
#else
#define STEP 16
#define LOADS 4
#endif
#define BATCH (STEP * AHEAD)
// Whether each warp has whole batches of steps in every span.
#define IS_WHOLE (SPAN % (DEPTH * BATCH) == 0 && K % (DEPTH * BATCH) == 0)

FUNCTION u32 word(uint4 v, int q) { return q == 0 ? v.x : q == 1 ? v.y : q == 2 ? v.z : v.w; }

// A lane's weights of one step; columns beyond the last count as zero.
FUNCTION void load_step(uint4 *v, const bf16 *w, int n, int pitch, int column) {
  const uint4 zero = {0, 0, 0, 0};
#pragma unroll
  for (int j = 0; j < LOADS; j++) {
#if TURNED
    // Eight k of two columns of each of four groups of 16.
    const int further = 16 * (j >> 1) + 8 * (j & 1);
    v[j] = !RAGGED || column + further < n ? load_weight(w + further * P0) : zero;
#else
    // Eight columns of each of four k.
    v[j] = !RAGGED || column < n ? load_weight(w + (size_t)j * pitch) : zero;
#endif
  }
}

// c[q][m]: the q-th 16 of the tile's columns by the m-th eight rows.
FUNCTION void multiply_step(float (*c)[BLOCKS][4], const uint4 *v, const bf16 *x, int row, int rows) {
#pragma unroll
  for (int m = 0; m < BLOCKS; m++) {
    // k is permuted alike on both sides: a lane gives mma a run of k that it has loaded.
#if TURNED
    const uint4 zero = {0, 0, 0, 0};
    const uint4 b = row + 8 * m < rows ? load_8(x + 8 * m * PX) : zero;
#else
    const uint2 zero = {0, 0};
    const uint2 b = row + 8 * m < rows ? load_4(x + 8 * m * PX) : zero;
#endif
#pragma unroll
    for (int q = 0; q < 4; q++) {
#if TURNED
      const uint4 upper = v[2 * q], lower = v[2 * q + 1];
      mma(c[q][m], upper.x, lower.x, upper.y, lower.y, b.x, b.y);
      mma(c[q][m], upper.z, lower.z, upper.w, lower.w, b.z, b.w);
#else
      // Columns 2q and 2q + 1 of the lane's eight become rows g and g + 8 of the operand.
      const u32 r0 = word(v[0], q), r1 = word(v[1], q), r2 = word(v[2], q), r3 = word(v[3], q);
      const u32 a0 = __byte_perm(r0, r1, 0x5410), a1 = __byte_perm(r0, r1, 0x7632);
      const u32 a2 = __byte_perm(r2, r3, 0x5410), a3 = __byte_perm(r2, r3, 0x7632);
      mma(c[q][m], a0, a1, a2, a3, b.x, b.y);
#endif
    }
  }
}

KERNEL(32 * WARPS, BLOCKS <= 2 ? 2 : 1)
few_rows(const bf16 *x, const bf16 *w0,
#if MAPS > 1
         const bf16 *w1,
#endif
#if MAPS > 2
         const bf16 *w2,
#endif
         float *part, const u32 row_count) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, g = lane >> 2, t = lane & 3;
  const int rows = (int)row_count;

  const bf16 *w = w0;
  int n = N0, pitch = P0, tile = blockIdx.x;
#if MAPS > 2
  if (tile >= TILES(N0) + TILES(N1))
    w = w2, n = N2, pitch = P2, tile -= TILES(N0) + TILES(N1);
  else
#endif
#if MAPS > 1
      if (tile >= TILES(N0))
    w = w1, n = N1, pitch = P1, tile -= TILES(N0);
#endif

  // The warp's share of the block's span.
  const int first = SPAN * blockIdx.y;
  const int length = K - first < SPAN ? K - first : SPAN;
  const int share = (length + DEPTH * STEP - 1) / (DEPTH * STEP) * STEP;
  const int from = first + warp / SIDE * share;
  const int to = from + share < first + length ? from + share : first + length;

  // The lane's place in the weight and in x.
#if TURNED
  const int column = TILE * tile + 64 * (warp % SIDE) + g;
  w += (size_t)column * P0 + from + 8 * t;
  x += g * PX + from + 8 * t;
  const int next = STEP;
#else
  const int column = TILE * tile + 64 * (warp % SIDE) + 8 * g;
  w += (size_t)(from + 4 * t) * pitch + column;
  x += g * PX + from + 4 * t;
  const int next = STEP * pitch;
#endif

  float c[4][BLOCKS][4];
#pragma unroll
  for (int q = 0; q < 4; q++)
#pragma unroll
    for (int m = 0; m < BLOCKS; m++)
#pragma unroll
      for (int e = 0; e < 4; e++) c[q][m][e] = 0;

  int left = to - from;
#pragma unroll 1
  for (; left >= BATCH; left -= BATCH) {
    uint4 v[AHEAD][LOADS];
#pragma unroll
    for (int i = 0; i < AHEAD; i++, w += next) load_step(v[i], w, n, pitch, column);
#pragma unroll
    for (int i = 0; i < AHEAD; i++, x += STEP) multiply_step(c, v[i], x, g, rows);
  }
#if !IS_WHOLE
#pragma unroll 1
  for (; left > 0; left -= STEP, w += next, x += STEP) {
    uint4 v[LOADS];
    load_step(v, w, n, pitch, column);
    multiply_step(c, v, x, g, rows);
  }
#endif

  // Where the tile is among the sums of all maps: computed here, because no register is free above.
  const int thread = thread_again(), slot = block_again();
  const int aside = 64 * ((thread >> 5) % SIDE);
#if MAPS > 2
  const int map = slot < TILES(N0) ? 0 : slot < TILES(N0) + TILES(N1) ? 1 : 2;
#else
  const int map = slot < TILES(N0) ? 0 : 1;
#endif
  const int end = map == 0 ? N0 : map == 1 ? N0 + N1 : COLUMNS;
  const int tile_start = map == 0   ? TILE * slot
                         : map == 1 ? N0 + TILE * (slot - TILES(N0))
                                    : N0 + N1 + TILE * (slot - TILES(N0) - TILES(N1));

  // The warps' sums, in the order of the warps, eight rows at a time.
  __shared__ float sums[DEPTH][8][TILE + 4];
#pragma unroll
  for (int m = 0; m < BLOCKS; m++) {
#pragma unroll
    for (int q = 0; q < 4; q++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
#if TURNED
        const int place = aside + 16 * q + (thread >> 2 & 7) + 8 * (e >> 1);
#else
        const int place = aside + 8 * (thread >> 2 & 7) + 2 * q + (e >> 1);
#endif
        sums[(thread >> 5) / SIDE][2 * (thread & 3) + (e & 1)][place] = c[q][m][e];
      }
    __syncthreads();
    for (int i = thread; i < 8 * TILE; i += 32 * WARPS) {
      const int row = 8 * m + i / TILE, place = i % TILE;
      float total = 0;
#pragma unroll
      for (int other = 0; other < DEPTH; other++) total += sums[other][i / TILE][place];
      if (row < rows && (!RAGGED || tile_start + place < end))
        store_sum(part + ((size_t)blockIdx.y * rows + row) * COLUMNS + tile_start + place, total);
    }
    __syncthreads();
  }
}
