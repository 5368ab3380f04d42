// Runs a fuzz target without libFuzzer: `TARGET FOLDER` gives it each file of the folder (seeds, and what
// once failed), then a fixed number of inputs mutated from them. The same inputs in the same order on every
// machine. Fails where the folder has no file, as a target without seeds proves nothing. An input that
// crashes the target, or keeps it for longer than kInputSeconds, is left in the file `failed_input` of the
// working folder.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutants = 2000;
constexpr int kMaxMutations = 4;       // of one input
constexpr size_t kMaxBytes = 1 << 16;  // of one input

constexpr unsigned kInputSeconds = 30;  // CPU is shared with other tests; what hangs hangs for good

using Engine = std::mt19937_64;

const std::string* current = nullptr;

// Of what a signal's handler may call only.
void keep_input(int signal) {
  constexpr std::string_view kSaid = "the input is in failed_input\n";
  const int file = open("failed_input", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file >= 0 && current && write(file, current->data(), current->size()) >= 0) {
    static_cast<void>(write(STDERR_FILENO, kSaid.data(), kSaid.size()) + 1);
  }
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void run(const std::string& input) {
  current = &input;
  alarm(kInputSeconds);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::vector<std::string> read_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::vector<std::string> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

// The engine's own numbers: the standard's distributions differ between libraries.
size_t below(Engine& engine, size_t bound) { return bound == 0 ? 0 : engine() % bound; }

void mutate(std::string& input, const std::vector<std::string>& seeds, Engine& engine) {
  const size_t at = below(engine, input.size() + 1);
  switch (below(engine, 6)) {
    case 0:  // a bit
      if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(engine, 8)));
      break;
    case 1:  // a byte that often stands for a length
      if (at < input.size()) input[at] = std::string_view("\0\xff\x7f\x80\x01", 5)[below(engine, 5)];
      break;
    case 2:
      input.insert(at, 1, static_cast<char>(engine()));
      break;
    case 3:
      input.erase(at, 1 + below(engine, 8));
      break;
    case 4:  // a part twice
      input.insert(at, input.substr(below(engine, input.size() + 1), 1 + below(engine, 64)));
      break;
    default: {  // on with another seed
      const std::string& other = seeds[below(engine, seeds.size())];
      input = input.substr(0, at) + other.substr(below(engine, other.size() + 1));
    }
  }
  if (input.size() > kMaxBytes) input.resize(kMaxBytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGALRM, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP})
    std::signal(signal, keep_input);
  const std::vector<std::string> seeds = read_folder(argv[1]);
  if (seeds.empty()) {
    std::fprintf(stderr, "%s holds no input: add one that the target gets far with\n", argv[1]);
    return 1;
  }
  for (const std::string& seed : seeds) run(seed);
  Engine engine(1);
  for (int i = 0; i < kMutants; ++i) {
    std::string input = seeds[below(engine, seeds.size())];
    for (size_t n = 1 + below(engine, kMaxMutations); n > 0; --n) mutate(input, seeds, engine);
    run(input);
  }
  std::printf("%zu seeds and %d inputs made from them\n", seeds.size(), kMutants);
  return 0;
}
