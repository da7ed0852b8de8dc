// What the texts of this folder take from the hardware. The test `emulated` replaces this file by
// tests/lanes.h, which does the same on the processor, so that both run the text of the kernels.
#pragma nv_diag_suppress 177  // no kernel uses all of them

typedef unsigned int u32;
typedef unsigned short bf16;

#define KERNEL(threads, blocks) extern "C" __global__ void __launch_bounds__(threads, blocks)
#define FUNCTION static __device__ __forceinline__

// c += a · b for a of 16 rows by 16 columns, b of 16 by 8. A lane has g = lane / 4, t = lane % 4 and
//   a0: row g, columns 2t and 2t + 1    a1: row g + 8    a2, a3: the same, columns 2t + 8, 2t + 9
//   b0: rows 2t and 2t + 1, column g    b1: rows 2t + 8 and 2t + 9
//   c[0], c[1]: row g, columns 2t and 2t + 1    c[2], c[3]: row g + 8
// (PTX manual, "matrix fragments for mma.m16n8k16").
FUNCTION void mma(float *c, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// 16 bytes of a weight, which is read once a step and would push everything else out of the cache.
// `volatile` keeps the loads of several steps together, in front of what uses them.
FUNCTION uint4 load_weight(const bf16 *from) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
}

FUNCTION uint2 load_4(const bf16 *from) { return *(const uint2 *)from; }
FUNCTION uint4 load_8(const bf16 *from) { return *(const uint4 *)from; }
FUNCTION float4 load_sums(const float *from) { return *(const float4 *)from; }
FUNCTION void store_4(bf16 *to, uint2 v) { *(uint2 *)to = v; }
FUNCTION void store_sum(float *to, float sum) { *to = sum; }

// Two numbers rounded to the nearest bf16, the first in the low half; NaN stays NaN.
FUNCTION u32 round_2(float low, float high) {
  u32 both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}

FUNCTION float widen(u32 upper_half) { return __uint_as_float(upper_half); }

// The numbers of the thread and of the block, read again: a value that is needed only at the end
// takes no register in between.
FUNCTION int thread_again(void) {
  int thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}
FUNCTION int block_again(void) {
  int block;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(block));
  return block;
}
