// What libstdc++ gives for the generators, sorts and maps that fastText's results hang on.
// Build and run: g++ -O2 -std=c++17 libstdcxx.cc -o libstdcxx && ./libstdcxx ../fixtures/fasttext_train/libstdcxx.rs
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>
typedef uint64_t u;

int main(int argc, char** argv) {
  FILE* f = fopen(argv[1], "w");
  fprintf(f, "// Made by tests/oracle/libstdcxx.cc with g++ (libstdc++); see PROVENANCE.md.\n");
  auto raw = [&](const char* n, int seed) {
    std::minstd_rand g(seed);
    fprintf(f, "const %s: [u64; 4] = [", n);
    for (int i = 0; i < 4; i++) fprintf(f, "%s%lu", i ? ", " : "", (u)g());
    fprintf(f, "];\n");
  };
  raw("RAW_SEED_0", 0);
  raw("RAW_SEED_MINUS_7", -7);
  {
    std::minstd_rand g(1234);
    std::uniform_real_distribution<> d(-0.0625, 0.0625);
    fprintf(f, "const REALS: [u64; 4] = [");
    for (int i = 0; i < 4; i++) { double x = d(g); u b; memcpy(&b, &x, 8); fprintf(f, "%s%lu", i ? ", " : "", b); }
    fprintf(f, "];\n");
  }
  u gs[] = {0, 1, 6, 255, 9999999, 2147483644, 2147483645, 2147483646, 100000000000ull, 9000000000000000000ull};
  fprintf(f, "const INTEGERS: [(u64, [u64; 6]); 10] = [\n");
  for (u m : gs) {
    std::minstd_rand g(99);
    std::uniform_int_distribution<size_t> d(0, m);
    fprintf(f, "    (%lu, [", m);
    for (int i = 0; i < 6; i++) fprintf(f, "%s%lu", i ? ", " : "", (u)d(g));
    fprintf(f, "]),\n");
  }
  fprintf(f, "];\nconst SHUFFLES: [(u64, u64); 7] = [\n");
  for (int n : {1, 2, 3, 1000, 46340, 46341, 200000}) {
    std::vector<int32_t> v(n);
    std::iota(v.begin(), v.end(), 0);
    std::minstd_rand g(1234);
    std::shuffle(v.begin(), v.end(), g);
    u h = 0;
    for (int x : v) h = h * 1000003 + x;
    fprintf(f, "    (%d, %lu),\n", n, h);
  }
  fprintf(f, "];\n");
  typedef std::pair<u, u> P;
  fprintf(f, "const SORTS: [(u64, u64, u64); 8] = [\n");
  int cs[8][2] = {{2, 1}, {16, 3}, {17, 1}, {18, 4}, {1000, 1}, {1000, 9}, {100000, 40}, {100000, 90000}};
  for (auto& c : cs) {
    std::minstd_rand g(7);
    std::uniform_int_distribution<size_t> d(0, c[1] - 1);
    std::vector<P> v;
    for (int i = 0; i < c[0]; i++) v.push_back({d(g), (u)i});
    std::sort(v.begin(), v.end(), [](const P& a, const P& b) { return a.first > b.first; });
    u h = 0;
    for (auto& x : v) h = h * 1000003 + x.second;
    fprintf(f, "    (%d, %d, %lu),\n", c[0], c[1], h);
  }
  fprintf(f, "];\nconst ORGAN_PIPES: [(u64, u64); 3] = [\n");
  for (u n : {100, 2000, 50000}) {
    std::vector<P> v;
    u half = n / 2;
    for (u i = 0; i < n; i++) {
      u x = i >= half ? 2 * (i - half + 1) : i % 2 == 0 ? i + 1 : half + i + half % 2;
      v.push_back({x / 2, i});
    }
    std::sort(v.begin(), v.end(), [](const P& a, const P& b) { return a.first < b.first; });
    u h = 0;
    for (auto& x : v) h = h * 1000003 + x.second;
    fprintf(f, "    (%lu, %lu),\n", n, h);
  }
  fprintf(f, "];\n");
  fprintf(f, "const MAPS: [(usize, u64); 8] = [\n");
  for (int n : {0, 1, 5, 13, 14, 1000, 30000, 400000}) {
    std::minstd_rand g(7);
    std::uniform_int_distribution<size_t> d(0, 2000000);
    std::unordered_map<int32_t, int32_t> m;
    int j = 0;
    while ((int)m.size() < n) { int k = d(g); if (!m.count(k)) m[k] = j++; }
    u h = 0;
    for (auto& x : m) h = h * 1000003 + x.first;
    fprintf(f, "    (%d, %lu),\n", n, h);
  }
  fprintf(f, "];\n");
  fclose(f);
}
