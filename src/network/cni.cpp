#include "network/cni.hpp"

#include <algorithm>
#include <cstdlib>
#include <istream>
#include <iterator>
#include <ostream>

#include "base/strings.hpp"
#include "network/cni_protocol.hpp"
#include "network/command.hpp"
#include "network/hostport.hpp"
#include "network/loopback.hpp"
#include "network/pod_wiring.hpp"

namespace cloudless::network {

namespace {

CniError to_cni_error(const Error& error) {
  switch (error.code) {
    case Code::kResourceExhausted:
      return {CniErrorCode::kNoAddress, error.message, ""};
    case Code::kUnavailable:
      return {CniErrorCode::kTryAgain, error.message, ""};
    case Code::kNotFound:
      return {CniErrorCode::kUnknownContainer, error.message, ""};
    default:
      return {CniErrorCode::kIo, error.message, ""};
  }
}

std::vector<AddressRecord> records_for(const CniRequest& request,
                                       const std::vector<net::IpAddress>& addresses) {
  std::vector<AddressRecord> records;
  for (const net::IpAddress& address : addresses)
    records.push_back({address, request.attachment, request.host_ports});
  return records;
}

bool any_host_port(const std::vector<AddressRecord>& records) {
  return std::ranges::any_of(records, [](const AddressRecord& record) { return !record.host_ports.empty(); });
}

Result<> open_host_ports(const std::string& table, const std::vector<AddressRecord>& records) {
  if (!any_host_port(records)) return {};
  return run_nft(hostport_table_script(table) + hostport_add_script(table, records));
}

Result<> close_host_ports(const std::string& table, const std::vector<AddressRecord>& records) {
  if (!any_host_port(records)) return {};
  const auto closed = run_nft(hostport_table_script(table) + hostport_remove_script(table, records));
  // The port has gone to another pod since: there is nothing of ours to close.
  if (!closed && closed.error().message.find("File exists") != std::string::npos) return {};
  return closed;
}

Result<std::vector<net::IpAddress>> allocate_all(AddressStore& store, const CniRequest& request) {
  std::vector<net::IpAddress> addresses;
  for (const net::Prefix& range : request.config.pod_cidrs)
    addresses.push_back(TRY(store.allocate(range, request.attachment, request.host_ports)));
  return addresses;
}

Result<> remove_attachment(AddressStore& store, const CniConfig& config, const Attachment& attachment) {
  std::vector<AddressRecord> records = TRY(store.records());
  std::erase_if(records, [&](const AddressRecord& record) { return record.owner != attachment; });
  TRY(close_host_ports(config.hostport_table, records));
  TRY(unwire_pod(attachment));
  TRY(store.release(attachment));
  return {};
}

Result<std::string> add(const CniRequest& request) {
  std::vector<net::IpAddress> addresses;
  {
    AddressStore store = TRY(AddressStore::open(request.config.state_dir));
    auto allocated = allocate_all(store, request);
    if (!allocated) {
      static_cast<void>(store.release(request.attachment));
      return std::unexpected(allocated.error());
    }
    addresses = std::move(*allocated);
  }
  Result<> done = wire_pod(request.attachment, request.netns, addresses, request.config.mtu);
  if (done) done = open_host_ports(request.config.hostport_table, records_for(request, addresses));
  if (!done) {
    static_cast<void>(unwire_pod(request.attachment));
    if (auto store = AddressStore::open(request.config.state_dir))
      static_cast<void>(store->release(request.attachment));
    return std::unexpected(done.error());
  }
  return format_cni_result(
      request, {host_interface_name(request.attachment), net::format_mac(host_mac(request.attachment)),
                net::format_mac(pod_mac(request.attachment)), addresses});
}

Result<std::string> del(const CniRequest& request) {
  AddressStore store = TRY(AddressStore::open(request.config.state_dir));
  TRY(remove_attachment(store, request.config, request.attachment));
  return std::string();
}

Result<std::string> check(const CniRequest& request) {
  AddressStore store = TRY(AddressStore::open(request.config.state_dir));
  std::vector<net::IpAddress> addresses;
  for (const AddressRecord& record : TRY(store.records())) {
    if (record.owner == request.attachment) addresses.push_back(record.address);
  }
  if (addresses.empty())
    return fail(Code::kNotFound, "no address is recorded for container {}", request.attachment.container_id);
  TRY(check_pod(request.attachment, request.netns, addresses));
  return std::string();
}

Result<std::string> gc(const CniRequest& request) {
  AddressStore store = TRY(AddressStore::open(request.config.state_dir));
  Result<> last;
  for (const AddressRecord& record : TRY(store.records())) {
    if (std::ranges::find(request.valid_attachments, record.owner) != request.valid_attachments.end())
      continue;
    if (auto removed = remove_attachment(store, request.config, record.owner); !removed) last = removed;
    if (auto removed = store.remove(record.address); !removed) last = removed;
  }
  if (!last) return std::unexpected(last.error());
  return std::string();
}

Result<std::string> perform(const CniRequest& request) {
  switch (request.command) {
    case CniCommand::kAdd:
      return add(request);
    case CniCommand::kDel:
      return del(request);
    case CniCommand::kCheck:
      return check(request);
    case CniCommand::kGc:
      return gc(request);
    case CniCommand::kVersion:
      return format_cni_versions(request.version);
    case CniCommand::kStatus:
      return std::string();
  }
  return fail(Code::kInternal, "unreachable");
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

bool is_cni_invocation(std::string_view argv0) {
  const size_t slash = argv0.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? argv0 : argv0.substr(slash + 1);
  return name == kCniPluginName || name == kLoopbackPluginName || getenv("CNI_COMMAND") != nullptr;
}

int run_cni_plugin(std::istream& input, std::ostream& output) {
  const std::string text((std::istreambuf_iterator<char>(input)), std::istreambuf_iterator<char>());
  if (is_loopback_config(text)) return run_loopback_plugin(process_environment, text, output);
  const auto request = parse_cni_request(process_environment, text);
  if (!request) {
    output << format_cni_error("", request.error()) << "\n";
    return 1;
  }
  const auto result = perform(*request);
  if (!result) {
    output << format_cni_error(request->version, to_cni_error(result.error())) << "\n";
    return 1;
  }
  if (!result->empty()) output << *result << "\n";
  return 0;
}

}  // namespace cloudless::network
