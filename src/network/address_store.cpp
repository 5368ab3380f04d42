#include "network/address_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace cloudless::network {

namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr auto kLockTimeout = std::chrono::seconds(30);
constexpr auto kLockRetry = std::chrono::milliseconds(5);
constexpr const char* kAside = "aside";
/// Where an IPv6 range is walked, this many addresses of it are used.
constexpr uint64_t kMaxRange = 1 << 16;

std::string format_record(const AddressRecord& record) {
  json::array ports;
  for (const HostPort& port : record.host_ports) {
    json::object entry{
        {"protocol", port.protocol}, {"hostPort", port.host_port}, {"containerPort", port.container_port}};
    if (port.host_ip) entry["hostIP"] = port.host_ip->to_string();
    ports.push_back(std::move(entry));
  }
  return json::serialize(json::object{{"containerID", record.owner.container_id},
                                      {"interface", record.owner.interface},
                                      {"hostPorts", std::move(ports)}});
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

uint16_t port_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_int64() ? static_cast<uint16_t>(value->get_int64()) : uint16_t{0};
}

std::optional<AddressRecord> parse_record(const net::IpAddress& address, std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& object = value.get_object();
  AddressRecord record{address, {text_of(object, "containerID"), text_of(object, "interface")}, {}};
  const json::value* ports = object.if_contains("hostPorts");
  if (!ports || !ports->is_array()) return record;
  for (const json::value& entry : ports->get_array()) {
    if (!entry.is_object()) continue;
    const json::object& port = entry.get_object();
    const auto host_ip = net::IpAddress::parse(text_of(port, "hostIP"));
    record.host_ports.push_back({text_of(port, "protocol"), port_of(port, "hostPort"),
                                 port_of(port, "containerPort"),
                                 host_ip ? std::optional(*host_ip) : std::nullopt});
  }
  return record;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string last_file(const net::Prefix& range) { return range.address.is_v4() ? "last.v4" : "last.v6"; }

// How many addresses `range` has, as far as they are used.
uint64_t size_of(const net::Prefix& range) {
  const int host_bits = range.address.bits() - range.length;
  return host_bits >= 16 ? kMaxRange : uint64_t{1} << host_bits;
}

uint64_t offset_in(const net::Prefix& range, const net::IpAddress& address) {
  const net::IpAddress first = range.masked().address;
  for (uint64_t offset = 0; offset < size_of(range); ++offset) {
    if (first.plus(offset) == address) return offset;
  }
  return 0;
}

}  // namespace

Result<AddressStore> AddressStore::open(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return std::unexpected(system_error(error.value(), "make " + directory));
  const std::string path = directory + "/lock";
  const int lock = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0) return std::unexpected(system_error(errno, "open " + path));
  AddressStore store(directory, lock);
  const auto deadline = std::chrono::steady_clock::now() + kLockTimeout;
  while (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return std::unexpected(system_error(errno, "lock " + path));
    if (std::chrono::steady_clock::now() > deadline)
      return fail(Code::kUnavailable, "{} is held by another process", path);
    std::this_thread::sleep_for(kLockRetry);
  }
  unlink((directory + "/" + kAside).c_str());
  return store;
}

AddressStore::AddressStore(AddressStore&& other) noexcept
    : directory_(std::move(other.directory_)), lock_(std::exchange(other.lock_, -1)) {}

AddressStore& AddressStore::operator=(AddressStore&& other) noexcept {
  std::swap(directory_, other.directory_);
  std::swap(lock_, other.lock_);
  return *this;
}

AddressStore::~AddressStore() {
  if (lock_ >= 0) close(lock_);
}

Result<bool> AddressStore::try_claim(const AddressRecord& record) {
  const std::string aside = directory_ + "/" + kAside;
  {
    std::ofstream file(aside, std::ios::trunc);
    file << format_record(record);
    file.flush();
    if (!file) return std::unexpected(system_error(errno, "write " + aside));
  }
  const std::string path = directory_ + "/" + record.address.to_string();
  const int linked = link(aside.c_str(), path.c_str());
  const int error = errno;
  unlink(aside.c_str());
  if (linked == 0) return true;
  if (error == EEXIST) return false;
  return std::unexpected(system_error(error, "write " + path));
}

Result<net::IpAddress> AddressStore::allocate(const net::Prefix& range, const Attachment& owner,
                                              const std::vector<HostPort>& host_ports) {
  std::set<net::IpAddress> taken;
  for (const AddressRecord& record : TRY(records())) {
    if (record.owner == owner && range.contains(record.address)) return record.address;
    taken.insert(record.address);
  }
  const net::IpAddress first = range.masked().address;
  const uint64_t size = size_of(range);
  const std::string last_path = directory_ + "/" + last_file(range);
  const auto last = net::IpAddress::parse(read_file(last_path));
  const uint64_t start = last && range.contains(*last) ? offset_in(range, *last) : 1;
  for (uint64_t step = 1; step <= size; ++step) {
    const uint64_t offset = (start + step) % size;
    if (offset < 2 || offset == size - 1) continue;
    const net::IpAddress candidate = first.plus(offset);
    if (taken.contains(candidate) || !TRY(try_claim({candidate, owner, host_ports}))) continue;
    std::ofstream(last_path, std::ios::trunc) << candidate.to_string();
    return candidate;
  }
  return fail(Code::kResourceExhausted, "no address is free in {}", range.to_string());
}

Result<std::vector<AddressRecord>> AddressStore::records() const {
  std::vector<AddressRecord> records;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    const auto address = net::IpAddress::parse(entry.path().filename().string());
    if (!address) continue;
    // A file that is no record keeps its address out of use: it may belong to a pod that runs.
    auto record = parse_record(*address, read_file(entry.path()));
    records.push_back(record ? std::move(*record) : AddressRecord{*address, {}, {}});
  }
  if (error) return std::unexpected(system_error(error.value(), "read " + directory_));
  return records;
}

Result<std::vector<AddressRecord>> AddressStore::release(const Attachment& owner) {
  std::vector<AddressRecord> released;
  for (AddressRecord& record : TRY(records())) {
    if (record.owner != owner) continue;
    TRY(remove(record.address));
    released.push_back(std::move(record));
  }
  return released;
}

Result<> AddressStore::remove(const net::IpAddress& address) {
  const std::string path = directory_ + "/" + address.to_string();
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return std::unexpected(system_error(errno, "remove " + path));
}

}  // namespace cloudless::network
