// Behind the kernels' texts and their constants: reads x, the weights and the biases from standard
// input, runs few_rows and add_parts, and writes the parts and the outputs to standard output.
static bf16 *x, *w[3], *bias[3], *out[3];
static float *part;
static u32 rows;

static void run_few_rows(void) {
  few_rows(x, w[0],
#if MAPS > 1
           w[1],
#endif
#if MAPS > 2
           w[2],
#endif
           part, rows);
}

static void run_add_parts(void) {
  add_parts(part,
#if BIASES & 1
            bias[0],
#endif
#if BIASES & 2
            bias[1],
#endif
#if BIASES & 4
            bias[2],
#endif
            out[0]
#if MAPS > 1 && !GATED
            , out[1]
#endif
#if MAPS > 2
            , out[2]
#endif
  );
}

static bf16 *read_numbers(size_t count) {
  bf16 *numbers = buffer(2 * count);
  if (fread(numbers, 2, count, stdin) != count) exit(2);
  return numbers;
}

int main(int count, char **words) {
  if (count != 2) return 2;
  rows = (u32)atoi(words[1]);
  const size_t n[3] = {N0, N1, N2};
  const int outputs = GATED ? 1 : MAPS;
  const size_t pitches[3] = {P0, P1, P2};
  x = read_numbers((size_t)rows * PX);
  for (int i = 0; i < MAPS; i++) w[i] = read_numbers(pitches[i] * (TURNED ? n[i] : K));
  for (int i = 0; i < MAPS; i++)
    if (BIASES >> i & 1) bias[i] = read_numbers(n[i]);
  part = buffer(4 * (size_t)SPLITS * rows * COLUMNS);
  // What no thread writes is not a number.
  memset(part, 0xff, 4 * (size_t)SPLITS * rows * COLUMNS);
  for (int i = 0; i < outputs; i++) {
    out[i] = buffer(2 * rows * n[i]);
    memset(out[i], 0xff, 2 * rows * n[i]);
  }
  run_grid(run_few_rows, TILES(N0) + TILES(N1) + TILES(N2), SPLITS);
  const int written = GATED ? N0 : COLUMNS;
  run_grid(run_add_parts, (written + 1023) / 1024, rows);
  fwrite(part, 4, (size_t)SPLITS * rows * COLUMNS, stdout);
  for (int i = 0; i < outputs; i++) fwrite(out[i], 2, rows * n[i], stdout);
  return 0;
}
