/* What PTX instructions compute where a C operator does not say it; `t` in a name is the PTX type. */
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64; typedef __int128 s128;
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64; typedef unsigned __int128 u128;
typedef u8 b8; typedef u16 b16; typedef u32 b32; typedef u64 b64;
typedef u8 pred; typedef float f32; typedef double f64;

static inline f32 to_f32(u32 bits) { f32 x; memcpy(&x, &bits, 4); return x; }
static inline f64 to_f64(u64 bits) { f64 x; memcpy(&x, &bits, 8); return x; }
static inline u32 bits_f32(f32 x) { u32 bits; memcpy(&bits, &x, 4); return bits; }
static inline u64 bits_f64(f64 x) { u64 bits; memcpy(&bits, &x, 8); return bits; }

/* Comparisons: the ordered ones are C's, except ne. */
#define lg(a, b) ((a) < (b) || (a) > (b))
#define unordered(a, b) ((a) != (a) || (b) != (b))

/* min, max: a number rather than a NaN (with .NaN: a NaN rather than a number), and -0 < +0. */
#define EXTREMUM(name, t, less, canonical)                                                        \
    static inline t name##_##t(t a, t b) {                                                        \
        if (a != a) return b != b ? canonical : b;                                                \
        if (b != b) return a;                                                                     \
        if (a == b) return !!signbit(a) less !!signbit(b) ? b : a;                                \
        return a less b ? a : b;                                                                  \
    }                                                                                             \
    static inline t name##_NaN_##t(t a, t b) { return unordered(a, b) ? canonical : name##_##t(a, b); }
EXTREMUM(min, f32, <, to_f32(0x7fffffffu))
EXTREMUM(min, f64, <, to_f64(0x7fffffffffffffffull))
EXTREMUM(max, f32, >, to_f32(0x7fffffffu))
EXTREMUM(max, f64, >, to_f64(0x7fffffffffffffffull))

/* Shift amounts beyond the width shift everything out. */
#define SHIFTS(n)                                                                                                  \
    static inline u##n shl_##n(u##n a, u32 by) { return by < n ? (u##n)(a << by) : 0; }                            \
    static inline u##n shr_u##n(u##n a, u32 by) { return by < n ? (u##n)(a >> by) : 0; }                           \
    static inline s##n shr_s##n(s##n a, u32 by) { return (s##n)(a >> (by < n ? by : n - 1)); }
SHIFTS(16) SHIFTS(32) SHIFTS(64)

static inline u32 shf_l(u32 a, u32 b, u32 by) { return (u32)((((u64)b << 32 | a) << by) >> 32); }
static inline u32 shf_r(u32 a, u32 b, u32 by) { return (u32)(by < 64 ? ((u64)b << 32 | a) >> by : 0); }
static inline u32 at_most_32(u32 by) { return by < 32 ? by : 32; }

/* Any function of three bits, as a table of its eight results. */
static inline u32 lop3(u32 a, u32 b, u32 c, u32 table) {
    u32 result = 0;
    for (u32 bit = 0; bit < 32; bit++)
        result |= (table >> ((a >> bit & 1) << 2 | (b >> bit & 1) << 1 | (c >> bit & 1)) & 1) << bit;
    return result;
}

static inline u32 prmt(u32 a, u32 b, u32 selectors) {
    u64 bytes = (u64)b << 32 | a;
    u32 result = 0;
    for (u32 i = 0; i < 4; i++) {
        u32 selector = selectors >> 4 * i & 15, byte = (u32)(bytes >> 8 * (selector & 7)) & 255;
        result |= (selector & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
    }
    return result;
}

static inline u32 reverse_32(u32 a) {
    u32 result = 0;
    for (u32 bit = 0; bit < 32; bit++) result |= (a >> bit & 1) << (31 - bit);
    return result;
}
static inline u64 reverse_64(u64 a) { return (u64)reverse_32((u32)a) << 32 | reverse_32((u32)(a >> 32)); }
static inline u32 clz_32(u32 a) { return a ? (u32)__builtin_clz(a) : 32; }
static inline u32 clz_64(u64 a) { return a ? (u32)__builtin_clzll(a) : 64; }

/* The highest bit that differs from the sign, or how far it is from the top; all ones where there is none. */
#define BFIND(t, n, negative)                                                                      \
    static inline u32 bfind_##t(t a) { u##n m = negative ? ~(u##n)a : (u##n)a; return m ? n - 1 - clz_##n(m) : ~0u; } \
    static inline u32 bfind_shiftamt_##t(t a) { u32 top = bfind_##t(a); return top == ~0u ? top : n - 1 - top; }
BFIND(u32, 32, 0) BFIND(s32, 32, a < 0) BFIND(u64, 64, 0) BFIND(s64, 64, a < 0)

/* Bit fields: position and length are taken modulo 256; a signed field is filled with its highest bit. */
#define BFE(t, n, is_signed)                                                                       \
    static inline t bfe_##t(t a, u32 position, u32 length) {                                       \
        position &= 255, length &= 255;                                                            \
        u32 top = position + length - 1 < n - 1 ? position + length - 1 : n - 1;                   \
        u##n fill = is_signed && length && (u##n)a >> top & 1 ? ~(u##n)0 : 0, result = fill;       \
        if (length && position < n) {                                                              \
            u32 kept = length < n - position ? length : n - position;                              \
            u##n mask = kept < n ? ((u##n)1 << kept) - 1 : ~(u##n)0;                               \
            result = ((u##n)a >> position & mask) | (fill & ~mask);                                \
        }                                                                                          \
        return (t)result;                                                                          \
    }
BFE(u32, 32, 0) BFE(s32, 32, 1) BFE(u64, 64, 0) BFE(s64, 64, 1)

#define BFI(n)                                                                                     \
    static inline u##n bfi_##n(u##n a, u##n b, u32 position, u32 length) {                         \
        position &= 255, length &= 255;                                                            \
        if (position >= n || !length) return b;                                                    \
        u##n mask = (length < n ? ((u##n)1 << length) - 1 : ~(u##n)0) << position;                 \
        return (a << position & mask) | (b & ~mask);                                               \
    }
BFI(32) BFI(64)

/* Sums with a carry flag; a difference borrows. */
#define CARRY(n, wide)                                                                                                 \
    static inline u##n add_carry_##n(u##n a, u##n b, u8 in, u8 *out) {                                                 \
        wide sum = (wide)a + b + in; *out = (u8)(sum >> n & 1); return (u##n)sum; }                                    \
    static inline u##n sub_carry_##n(u##n a, u##n b, u8 in, u8 *out) {                                                 \
        wide difference = (wide)a - b - in; *out = (u8)(difference >> n & 1); return (u##n)difference; }
CARRY(32, u64) CARRY(64, u128)

#define SATURATE(x, low, high) ((x) < (low) ? (low) : (x) > (high) ? (high) : (x))

/* Float to integer (PTX ISA 9.0, cvt): clamped to the type; a NaN gives 0 where neither a 64-bit float nor a 64-bit
   integer is involved, else the integer whose highest bit alone is set. */
#define TO_INTEGER(d, s, bits, low, high)                                                          \
    static inline d d##_from_##s(s x) {                                                            \
        if (x != x) return (d)(bits < 64 && sizeof(s) == 4 ? 0 : (u64)1 << (bits - 1));            \
        if (x >= (s)(high) + 1) return high;                                                       \
        if (x <= (s)(low)) return low;                                                             \
        return (d)x;                                                                               \
    }
#define TO_INTEGERS(s)                                                                             \
    TO_INTEGER(s8, s, 8, INT8_MIN, INT8_MAX) TO_INTEGER(u8, s, 8, 0, UINT8_MAX)                    \
    TO_INTEGER(s16, s, 16, INT16_MIN, INT16_MAX) TO_INTEGER(u16, s, 16, 0, UINT16_MAX)             \
    TO_INTEGER(s32, s, 32, INT32_MIN, INT32_MAX) TO_INTEGER(u32, s, 32, 0, UINT32_MAX)             \
    TO_INTEGER(s64, s, 64, INT64_MIN, INT64_MAX) TO_INTEGER(u64, s, 64, 0, UINT64_MAX)
TO_INTEGERS(f32) TO_INTEGERS(f64)

static inline f32 rni_f32(f32 x) { return rintf(x); }
static inline f32 rzi_f32(f32 x) { return truncf(x); }
static inline f32 rmi_f32(f32 x) { return floorf(x); }
static inline f32 rpi_f32(f32 x) { return ceilf(x); }
static inline f64 rni_f64(f64 x) { return rint(x); }
static inline f64 rzi_f64(f64 x) { return trunc(x); }
static inline f64 rmi_f64(f64 x) { return floor(x); }
static inline f64 rpi_f64(f64 x) { return ceil(x); }

/* Conversions that round in another direction than to nearest; volatile keeps them between the two calls. */
#define ROUNDED(d, s)                                                                              \
    static inline d d##_rounded_##s(s x, int mode) {                                               \
        fesetround(mode);                                                                          \
        volatile s from = x;                                                                       \
        volatile d result = (d)from;                                                               \
        fesetround(FE_TONEAREST);                                                                  \
        return result;                                                                             \
    }
#define ROUNDED_INTEGERS(d) \
    ROUNDED(d, s8) ROUNDED(d, u8) ROUNDED(d, s16) ROUNDED(d, u16)                                  \
    ROUNDED(d, s32) ROUNDED(d, u32) ROUNDED(d, s64) ROUNDED(d, u64)
ROUNDED(f32, f64) ROUNDED_INTEGERS(f32) ROUNDED_INTEGERS(f64)

#define testp_finite(x) isfinite(x)
#define testp_infinite(x) (isinf(x) != 0)
#define testp_number(x) (!isnan(x))
#define testp_notanumber(x) (isnan(x) != 0)
#define testp_normal(x) (fpclassify(x) == FP_NORMAL)
#define testp_subnormal(x) (fpclassify(x) == FP_SUBNORMAL)
