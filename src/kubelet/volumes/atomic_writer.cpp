#include "kubelet/volumes/atomic_writer.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace cloudless::kubelet {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDataLink = "..data";
constexpr const char* kNewDataLink = "..data_tmp";

std::string top_name(const std::string& path) { return path.substr(0, path.find('/')); }

std::string version_name(WallTime now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("..{:%Y_%m_%d_%H_%M_%S}.{:09}", seconds, (now - seconds).count());
}

uint32_t mode_of(const PayloadFile& file, std::optional<int64_t> group) {
  // With fsGroup the group may read what the owner may (pkg/volume/volume_linux.go).
  return group ? file.mode | 0040 : file.mode;
}

Result<> write_one(const std::string& path, const PayloadFile& file, std::optional<int64_t> group) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return std::unexpected(system_error(error.value(), "make folder for " + path));
  {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << file.content;
    out.close();
    if (!out) return fail(Code::kUnavailable, "write {}: failed", path);
  }
  if (::chmod(path.c_str(), mode_of(file, group)) != 0)
    return std::unexpected(system_error(errno, "set the mode of " + path));
  if (file.uid || group) {
    const auto uid = static_cast<uid_t>(file.uid.value_or(-1));
    const auto gid = static_cast<gid_t>(group.value_or(-1));
    if (::chown(path.c_str(), uid, gid) != 0)
      return std::unexpected(system_error(errno, "set the owner of " + path));
  }
  return {};
}

// True where the present version holds exactly these files.
bool is_current(const std::string& dir, const Payload& payload, std::optional<int64_t> group) {
  std::error_code error;
  const fs::path data = fs::path(dir) / kDataLink;
  size_t count = 0;
  for (fs::recursive_directory_iterator it(data, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error)) continue;
    ++count;
    const auto found = payload.find(it->path().lexically_relative(data).string());
    if (found == payload.end()) return false;
    struct stat info{};
    if (::stat(it->path().c_str(), &info) != 0 || (info.st_mode & 07777) != mode_of(found->second, group))
      return false;
    std::ifstream in(it->path(), std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    if (content.view() != found->second.content) return false;
  }
  return !error && count == payload.size();
}

Result<> replace_link(const std::string& target, const std::string& link) {
  const std::string sibling = fs::path(link).parent_path() / kNewDataLink;
  ::unlink(sibling.c_str());
  if (::symlink(target.c_str(), sibling.c_str()) != 0)
    return std::unexpected(system_error(errno, "make link " + sibling));
  if (::rename(sibling.c_str(), link.c_str()) != 0)
    return std::unexpected(system_error(errno, "replace link " + link));
  return {};
}

// One link for each name at the top that is wanted, none for others; old versions go.
Result<> tidy(const std::string& dir, const std::set<std::string>& wanted, const std::string& version) {
  std::error_code error;
  for (const std::string& name : wanted) {
    const std::string link = dir + "/" + name;
    if (fs::is_symlink(link, error)) continue;
    if (::symlink((std::string(kDataLink) + "/" + name).c_str(), link.c_str()) != 0)
      return std::unexpected(system_error(errno, "make link " + link));
  }
  std::vector<fs::path> gone;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename();
    const bool is_ours = name == kDataLink || name == version;
    if (!is_ours && !wanted.contains(name)) gone.push_back(entry.path());
  }
  for (const fs::path& path : gone) fs::remove_all(path, error);
  return {};
}

}  // namespace

Result<bool> write_payload(const std::string& dir, const Payload& payload, std::optional<int64_t> group,
                           WallTime now) {
  if (is_current(dir, payload, group)) return false;
  const std::string version = version_name(now);
  const std::string version_dir = dir + "/" + version;
  std::error_code error;
  fs::create_directory(version_dir, error);
  if (error) return std::unexpected(system_error(error.value(), "make folder " + version_dir));
  ::chmod(version_dir.c_str(), 0755);
  std::set<std::string> names;
  for (const auto& [path, file] : payload) {
    TRY(write_one(version_dir + "/" + path, file, group));
    names.insert(top_name(path));
  }
  TRY(replace_link(version, dir + "/" + kDataLink));
  TRY(tidy(dir, names, version));
  return true;
}

}  // namespace cloudless::kubelet
