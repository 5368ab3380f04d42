// `cloudless store export` and `import`: a store as one portable file, from any endpoint to any other.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>

#include "cli/command.hpp"
#include "cli/store_server.hpp"
#include "etcd/snapshot_import.hpp"
#include "store/archive.hpp"

namespace cloudless::cli {

namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

struct ArchiveFlags {
  DatastoreOptions datastore;
  std::string path;
  store::Revision revision = 0;
};

Result<File> open_file(const std::string& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode));
  if (!file) return std::unexpected(system_error(errno, "open " + path));
  return file;
}

// Blocking: nothing else runs in this program.
runtime::Task<Result<>> append(std::FILE* file, const std::string& path, std::string bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size()) co_return Result<>();
  co_return std::unexpected(system_error(errno, "write " + path));
}

Result<std::string> read_some(std::FILE* file, const std::string& path, size_t size) {
  std::string bytes(size, '\0');
  bytes.resize(std::fread(bytes.data(), 1, size, file));
  if (std::ferror(file)) return std::unexpected(system_error(errno, "read " + path));
  return bytes;
}

// Of a file, enough to tell an archive from a snapshot of etcd.
constexpr size_t kRecognizedBy = 4096;

// A whole archive or none stands at `path`: it is written beside it and renamed once it is on disk.
Result<store::ArchiveSummary> export_to(store::Store& store, runtime::EventLoop& loop,
                                        const ArchiveFlags& flags) {
  const std::string part = flags.path + ".part";
  const File file = TRY(open_file(part, "wb"));
  const auto sink = [&](std::string bytes) { return append(file.get(), part, std::move(bytes)); };
  auto summary = runtime::run_blocking(loop, store::export_archive(store, flags.revision, sink));
  const bool durable = std::fflush(file.get()) == 0 && ::fsync(::fileno(file.get())) == 0;
  if (summary && durable && std::rename(part.c_str(), flags.path.c_str()) == 0) return summary;
  const int error = errno;
  std::remove(part.c_str());
  if (!summary) return summary;
  return std::unexpected(system_error(error, "write " + flags.path));
}

Result<store::ArchiveContents> read_snapshot(std::FILE* file, const std::string& path) {
  if (::fseeko(file, 0, SEEK_END) != 0) return std::unexpected(system_error(errno, "read " + path));
  const auto read = [&](uint64_t offset, size_t size) -> Result<std::string> {
    if (::fseeko(file, static_cast<off_t>(offset), SEEK_SET) != 0)
      return std::unexpected(system_error(errno, "read " + path));
    std::string bytes = TRY(read_some(file, path, size));
    if (bytes.size() < size) return fail(Code::kDataLoss, "read {}: it has become shorter", path);
    return bytes;
  };
  return etcd::read_snapshot({static_cast<uint64_t>(::ftello(file)), read});
}

Result<store::ArchiveSummary> import_from(store::Store& store, runtime::EventLoop& loop,
                                          const ArchiveFlags& flags) {
  const File file = TRY(open_file(flags.path, "rb"));
  const auto source = [&](size_t size) { return read_some(file.get(), flags.path, size); };
  const bool of_etcd = etcd::is_snapshot(TRY(source(kRecognizedBy)));
  std::rewind(file.get());
  if (of_etcd)
    return runtime::run_blocking(loop,
                                 store::import_contents(store, TRY(read_snapshot(file.get(), flags.path))));
  return runtime::run_blocking(loop, store::import_archive(store, source));
}

using Transfer = Result<store::ArchiveSummary> (*)(store::Store&, runtime::EventLoop&, const ArchiveFlags&);

Result<> transfer(const ArchiveFlags& flags, std::string_view done, Transfer move) {
  const SystemClock clock;
  SystemRandom random;
  const Logger log(make_stderr_sink(LogLevel::kWarn, LogFormat::kText));
  runtime::LoopThread thread("store");
  const auto store = TRY(open_datastore(flags.datastore, clock, random, log));
  const store::ArchiveSummary summary = TRY(move(*store, thread.loop(), flags));
  fmt::print("{} {} keys and {} leases at revision {}{}\n", done, summary.pairs, summary.leases,
             summary.revision, summary.kept_revisions ? "" : ", under new revisions");
  return {};
}

void add_command(CLI::App& store, Invocation& invocation, const char* name, const char* help,
                 std::string_view done, Transfer move) {
  auto flags = std::make_shared<ArchiveFlags>();
  CLI::App* command = store.add_subcommand(name, help);
  add_datastore_flags(*command, flags->datastore);
  command->add_option("--file,-f", flags->path, "The archive")->required();
  if (std::string_view(name) == "export") {
    command->add_option("--revision", flags->revision, "The store as it was then; 0 is now");
  }
  command->callback([flags, done, move, &invocation] {
    invocation.run = [flags, done, move] {
      const auto moved = transfer(*flags, done, move);
      return moved ? kSuccess : report_failure(moved.error());
    };
  });
}

}  // namespace

void add_store_archive_commands(CLI::App& store, Invocation& invocation) {
  add_command(store, invocation, "export", "Write a consistent copy of a store to a file", "exported",
              export_to);
  add_command(store, invocation, "import", "Fill an empty store from a file that export or etcdctl wrote",
              "imported", import_from);
}

}  // namespace cloudless::cli
