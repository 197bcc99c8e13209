/* What products_dots.h says of vectors, in AVX-512 where VNNI is defined, else in AVX2.
 *
 * V: a vector of LANES i32. SPREAD(x): x in all lanes. STEP(acc, w, x): each lane plus the products
 * of its four u8 of w with its four i8 of x.
 */

#if defined(VNNI)
#define V __m512i
#define LANES 16
#define ROWS 8
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define SPREAD(x) _mm512_set1_epi32(x)
#define FLIP(v, x) _mm512_xor_si512(v, x)
#define ADD(x, y) _mm512_add_epi32(x, y)
#define LOW32(x, y) _mm512_unpacklo_epi32(x, y)
#define HIGH32(x, y) _mm512_unpackhi_epi32(x, y)
#define LOW64(x, y) _mm512_unpacklo_epi64(x, y)
#define HIGH64(x, y) _mm512_unpackhi_epi64(x, y)
#define STEP(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#define HIGH_BYTES(v) _mm512_srli_epi16(v, 8)

/* Low bytes of the i16 in two vectors, in order. */
static TARGET inline V NAME(low_bytes)(V x, V y)
{
    V byte = _mm512_set1_epi16(0xff), order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    V mixed = _mm512_packus_epi16(_mm512_and_si512(x, byte), _mm512_and_si512(y, byte));
    return _mm512_permutexvar_epi64(order, mixed);
}

/* The 16 bytes at `k` of columns 0, 4, 8 and 12. */
static TARGET inline V NAME(quarters)(const uint8_t *const *at, size_t k)
{
    V v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(at[0] + k)));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(at[4] + k)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(at[8] + k)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(at[12] + k)), 3);
}

/* The sum over 128-bit lanes: lane g of the result is of u[g]. */
static TARGET inline V NAME(across)(const V *u)
{
    V a = ADD(_mm512_shuffle_i32x4(u[0], u[1], 0x44), _mm512_shuffle_i32x4(u[0], u[1], 0xee));
    V b = ADD(_mm512_shuffle_i32x4(u[2], u[3], 0x44), _mm512_shuffle_i32x4(u[2], u[3], 0xee));
    return ADD(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}
#else
#define V __m256i
#define LANES 8
#define ROWS 4
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define SPREAD(x) _mm256_set1_epi32(x)
#define FLIP(v, x) _mm256_xor_si256(v, x)
#define ADD(x, y) _mm256_add_epi32(x, y)
#define LOW32(x, y) _mm256_unpacklo_epi32(x, y)
#define HIGH32(x, y) _mm256_unpackhi_epi32(x, y)
#define LOW64(x, y) _mm256_unpacklo_epi64(x, y)
#define HIGH64(x, y) _mm256_unpackhi_epi64(x, y)
#define STEP(acc, w, x) NAME(step)(acc, w, x)
#define HIGH_BYTES(v) _mm256_srli_epi16(v, 8)

/* Four products of each lane; unlike vpmaddubsw, nothing saturates on the way. */
static TARGET inline V NAME(step)(V acc, V w, V x)
{
    V even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), odd = _mm256_srai_epi16(x, 8);
    V low = _mm256_and_si256(w, _mm256_set1_epi16(0xff));
    acc = ADD(acc, _mm256_madd_epi16(low, even));
    return ADD(acc, _mm256_madd_epi16(_mm256_srli_epi16(w, 8), odd));
}

/* Low bytes of the i16 in two vectors, in order. */
static TARGET inline V NAME(low_bytes)(V x, V y)
{
    V byte = _mm256_set1_epi16(0xff);
    V mixed = _mm256_packus_epi16(_mm256_and_si256(x, byte), _mm256_and_si256(y, byte));
    return _mm256_permute4x64_epi64(mixed, 0xd8);
}

/* The 16 bytes at `k` of columns 0 and 4. */
static TARGET inline V NAME(quarters)(const uint8_t *const *at, size_t k)
{
    V v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(at[0] + k)));
    return _mm256_inserti128_si256(v, _mm_loadu_si128((const __m128i *)(at[4] + k)), 1);
}

/* The sum over 128-bit lanes: lane g of the result is of u[g]. */
static TARGET inline V NAME(across)(const V *u)
{
    return ADD(_mm256_permute2x128_si256(u[0], u[1], 0x20),
               _mm256_permute2x128_si256(u[0], u[1], 0x31));
}
#endif

