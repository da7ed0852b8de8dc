// What few_rows.cu has split: the parts of each number, added in their order, with a bias and
// rounded to bf16. Each map has an output of its own.
//
// Constants in front of the text: MAPS, N0, N1, N2 as in few_rows.cu, and
//   SPLITS  parts of each number
//   BIASES  a bit for each map that has a bias
//   GATED   1: the two maps are gate and up, and the only output is silu(gate) · up
// Grid: (tiles of 1,024 columns of the output or of all maps, rows). Block: 256 threads, each with
// four columns.
//
// Budget for sm_80, sm_90a and sm_100, which `just check-cuda` enforces:
//   budget registers=96 spilled=0 shared=0

#define COLUMNS (N0 + N1 + N2)

FUNCTION float4 add_parts_of(const float *part, int row, int rows, int column) {
  float4 sum = {0, 0, 0, 0};
#pragma unroll
  for (int split = 0; split < SPLITS; split++) {
    const float4 v = load_sums(part + ((size_t)split * rows + row) * COLUMNS + column);
    sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w;
  }
  return sum;
}

FUNCTION void add_bias(float4 *sum, const bf16 *bias, int column) {
  const uint2 b = load_4(bias + column);
  sum->x += widen(b.x << 16), sum->y += widen(b.x & 0xffff0000u);
  sum->z += widen(b.y << 16), sum->w += widen(b.y & 0xffff0000u);
}

FUNCTION void store(bf16 *out, int n, int row, int column, float4 v) {
  const uint2 both = {round_2(v.x, v.y), round_2(v.z, v.w)};
  store_4(out + (size_t)row * n + column, both);
}

#if GATED

FUNCTION float gated(float gate, float up) { return gate / (1 + expf(-gate)) * up; }

KERNEL(256, 1)
add_parts(const float *part, bf16 *out) {
  const int row = blockIdx.y, rows = gridDim.y;
  const int column = 4 * (256 * blockIdx.x + threadIdx.x);
  if (column >= N0) return;
  const float4 gate = add_parts_of(part, row, rows, column);
  const float4 up = add_parts_of(part, row, rows, N0 + column);
  const float4 v = {gated(gate.x, up.x), gated(gate.y, up.y), gated(gate.z, up.z),
                    gated(gate.w, up.w)};
  store(out, N0, row, column, v);
}

#else

KERNEL(256, 1)
add_parts(const float *part,
#if BIASES & 1
          const bf16 *bias0,
#endif
#if BIASES & 2
          const bf16 *bias1,
#endif
#if BIASES & 4
          const bf16 *bias2,
#endif
          bf16 *out0
#if MAPS > 1
          , bf16 *out1
#endif
#if MAPS > 2
          , bf16 *out2
#endif
) {
  const int row = blockIdx.y, rows = gridDim.y;
  int column = 4 * (256 * blockIdx.x + threadIdx.x);
  if (column >= COLUMNS) return;
  float4 sum = add_parts_of(part, row, rows, column);
  if (column < N0) {
#if BIASES & 1
    add_bias(&sum, bias0, column);
#endif
    store(out0, N0, row, column, sum);
    return;
  }
#if MAPS > 1
  column -= N0;
  if (column < N1) {
#if BIASES & 2
    add_bias(&sum, bias1, column);
#endif
    store(out1, N1, row, column, sum);
    return;
  }
#endif
#if MAPS > 2
  column -= N1;
#if BIASES & 4
  add_bias(&sum, bias2, column);
#endif
  store(out2, N2, row, column, sum);
#endif
}

#endif
