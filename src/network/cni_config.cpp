#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "network/cni.hpp"
#include "network/loopback.hpp"

namespace cloudless::network {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfigFile = "10-cloudless.conflist";

Result<> rename_file(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return std::unexpected(system_error(errno, "rename " + from + " to " + to));
}

Result<> make_directory(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return std::unexpected(system_error(error.value(), "make " + directory));
  return {};
}

Result<> remove_file(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return std::unexpected(system_error(errno, "remove " + path));
}

}  // namespace

std::string format_cni_config_list(const CniConfig& config) {
  json::array ranges;
  for (const net::Prefix& range : config.pod_cidrs) ranges.emplace_back(range.to_string());
  const json::object plugin{{"type", kCniPluginName},
                            {"capabilities", json::object{{"portMappings", true}}},
                            {"podCIDRs", std::move(ranges)},
                            {"stateDir", config.state_dir},
                            {"mtu", config.mtu},
                            {"hostPortTable", config.hostport_table}};
  return json::serialize(json::object{
             {"cniVersion", "1.0.0"}, {"name", config.network_name}, {"plugins", json::array{plugin}}}) +
         "\n";
}

Result<> write_cni_config_list(const std::string& directory, const CniConfig& config) {
  const std::string path = directory + "/" + kConfigFile;
  const std::string text = format_cni_config_list(config);
  std::ostringstream present;
  present << std::ifstream(path).rdbuf();
  if (present.str() == text) return {};
  TRY(make_directory(directory));
  // Runtimes read *.conf, *.conflist and *.json; the name aside is none of these.
  const std::string aside = path + ".new";
  std::ofstream file(aside, std::ios::trunc);
  file << text;
  file.close();
  if (!file) return std::unexpected(system_error(errno, "write " + aside));
  return rename_file(aside, path);
}

namespace {

Result<> install_link(const std::string& path, const std::string& program) {
  std::error_code error;
  if (fs::read_symlink(path, error) == program) return {};
  const std::string aside = path + ".new";
  unlink(aside.c_str());
  if (symlink(program.c_str(), aside.c_str()) != 0)
    return std::unexpected(system_error(errno, "link " + aside));
  return rename_file(aside, path);
}

// The plugins that this program is, by the names that it is called under.
constexpr std::string_view kPluginNames[] = {kCniPluginName, kLoopbackPluginName};

}  // namespace

Result<> install_cni_plugin(const std::string& bin_directory, const std::string& program) {
  TRY(make_directory(bin_directory));
  for (const std::string_view name : kPluginNames) {
    TRY(install_link(bin_directory + "/" + std::string(name), program));
  }
  return {};
}

Result<> remove_cni_config_list(const std::string& directory) {
  return remove_file(directory + "/" + kConfigFile);
}

Result<> remove_cni_plugin(const std::string& bin_directory) {
  for (const std::string_view name : kPluginNames) {
    const std::string path = bin_directory + "/" + std::string(name);
    // A loopback plugin that is no link of ours belongs to somebody else.
    std::error_code error;
    if (fs::is_symlink(path, error)) TRY(remove_file(path));
  }
  return {};
}

}  // namespace cloudless::network
