#include "kubelet/server/streaming.hpp"

#include <functional>
#include <set>
#include <vector>

#include "net/client.hpp"
#include "runtime/scope.hpp"

namespace cloudless::kubelet {

namespace {

using net::MuxStream;
using net::StreamMux;
using StreamPtr = std::shared_ptr<MuxStream>;

constexpr size_t kCopyBytes = 32 * 1024;
constexpr const char* kRuntimeCommandProtocol = "v4.channel.k8s.io";
constexpr const char* kPortForwardProtocol = "portforward.k8s.io";

// The runtime's streaming server, at the address of `url`; the path goes into `target`.
Result<std::unique_ptr<net::HttpClient>> client_of(const std::string& url, std::string& target,
                                                   net::Resolver& resolver, const Logger& log) {
  const size_t host = url.find("://");
  const size_t path = host == std::string::npos ? host : url.find('/', host + 3);
  if (path == std::string::npos)
    return fail(Code::kInternal, "the runtime's streaming address is no URL: {}", url);
  target = url.substr(path);
  net::HttpClientOptions options;
  options.base_url = url.substr(0, path);
  return net::HttpClient::make(std::move(options), resolver, log);
}

runtime::Task<void> copy(StreamPtr from, StreamPtr to) {
  for (;;) {
    auto bytes = co_await from->read(kCopyBytes);
    if (!bytes || bytes->empty()) break;
    if (!co_await to->write(std::move(*bytes))) break;
  }
  (void)co_await to->close_write();
}

// The output streams of a command that are still open. The tasks that copy them outlive the function that
// waits for their end, so all of them share this.
struct CommandOutput {
  runtime::Signal ended;
  int open = 0;
  bool has_status = false;
  std::vector<StreamPtr> unused;  // kept until the end: dropping one would reset it
};
using OutputPtr = std::shared_ptr<CommandOutput>;

// Copies what the runtime says. The command's end is that its streams have ended, the one with the exit
// status among them: a quick command may end its output before that stream is opened.
runtime::Task<void> copy_output(StreamPtr from, StreamPtr to, bool is_status, OutputPtr output) {
  co_await copy(std::move(from), std::move(to));
  output->has_status = output->has_status || is_status;
  if (--output->open == 0 && output->has_status) output->ended.notify();
}

// The streams that the runtime expects, as kubelet and runtime agree on them (k8s.io/kubelet cri/streaming).
// It counts them, so one too many takes the place of one that it waits for.
std::set<std::string> expected_streams(const cri::StreamOptions& streams) {
  std::set<std::string> types{"error"};
  if (streams.stdin_open) types.insert("stdin");
  if (streams.out) types.insert("stdout");
  if (streams.err && !streams.tty) types.insert("stderr");
  if (streams.tty) types.insert("resize");
  return types;
}

// A WebSocket has all five channels, whatever was asked for; those beyond `expected` carry nothing.
runtime::Task<void> accept_command_streams(StreamMux& client, StreamMux& server, runtime::TaskScope& copies,
                                           std::set<std::string> expected, OutputPtr output) {
  for (;;) {
    auto accepted = co_await client.accept();
    if (!accepted || !*accepted) break;
    StreamPtr theirs = std::move(**accepted);
    const std::string type(theirs->headers().get("streamtype").value_or(""));
    if (!expected.contains(type)) {
      output->unused.push_back(std::move(theirs));
      continue;
    }
    auto opened = co_await server.open({{"streamtype", type}});
    if (!opened) break;
    StreamPtr ours = std::move(*opened);
    if (type == "stdin" || type == "resize") {
      copies.spawn(copy(std::move(theirs), std::move(ours)));
    } else {
      ++output->open;
      copies.spawn(copy_output(std::move(ours), std::move(theirs), type == "error", output));
    }
  }
  if (output->open == 0) output->ended.notify();  // the client left before it opened anything
}

// Client to runtime for stdin and resize, runtime to client for the rest. The session is over when the
// runtime has ended all of its streams: the error stream, with the exit status, is the last.
runtime::Task<void> join_command_streams(StreamMux& client, StreamMux& server, runtime::TaskScope& copies,
                                         std::set<std::string> expected) {
  const auto output = std::make_shared<CommandOutput>();
  copies.spawn(accept_command_streams(client, server, copies, std::move(expected), output));
  (void)co_await output->ended.wait();
}

runtime::Task<void> join_port_streams(StreamMux& client, StreamMux& server, runtime::TaskScope& copies) {
  for (;;) {
    auto accepted = co_await client.accept();
    if (!accepted || !*accepted) co_return;
    StreamPtr theirs = std::move(**accepted);
    net::Headers headers;
    for (const char* name : {"streamtype", "port", "requestid"})
      headers.add(name, std::string(theirs->headers().get(name).value_or("")));
    const bool is_error = theirs->headers().get("streamtype") == "error";
    auto opened = co_await server.open(std::move(headers));
    if (!opened) co_return;
    StreamPtr ours = std::move(*opened);
    if (is_error) {
      // The client half-closes its error stream at once, and the runtime waits for that.
      (void)co_await ours->close_write();
    } else {
      copies.spawn(copy(theirs, ours));
    }
    copies.spawn(copy(ours, theirs));
  }
}

using JoinStreams =
    std::function<runtime::Task<void>(StreamMux& client, StreamMux& server, runtime::TaskScope& copies)>;

// The runtime is asked first: what it refuses is still an HTTP error to the client.
runtime::Task<void> run_session(const net::Request& request, net::ResponseWriter& response, std::string url,
                                net::Resolver& resolver, Logger log, std::string runtime_protocol,
                                std::vector<std::string> protocols, JoinStreams join_streams) {
  std::string target;
  auto http = client_of(url, target, resolver, log);
  Result<std::unique_ptr<StreamMux>> server =
      http ? co_await net::connect_streams(**http, target, std::move(runtime_protocol), log)
           : std::unexpected(http.error());
  if (!server) {
    (void)co_await response.respond(500, {{"Content-Type", "text/plain"}}, {share(server.error().message)});
    co_return;
  }
  auto client = co_await net::upgrade_streams(request, response, protocols, log);
  if (!client) co_return;
  {
    runtime::TaskScope copies(*(co_await runtime::current_context()).executor, log);
    co_await join_streams(**client, **server, copies);
    co_await (*client)->close();
    (*server)->abort();
    copies.cancel();
    // Not cut short where the session itself is cancelled: the copies use both muxes.
    co_await runtime::run_in({(co_await runtime::current_context()).executor, nullptr}, copies.join());
  }
}

}  // namespace

runtime::Task<void> join_remote_command(const net::Request& request, net::ResponseWriter& response,
                                        std::string url, cri::StreamOptions streams, net::Resolver& resolver,
                                        Logger log) {
  const auto join = [streams](StreamMux& client, StreamMux& server, runtime::TaskScope& copies) {
    return join_command_streams(client, server, copies, expected_streams(streams));
  };
  return run_session(request, response, std::move(url), resolver, std::move(log), kRuntimeCommandProtocol,
                     {"v5.channel.k8s.io", "v4.channel.k8s.io"}, join);
}

runtime::Task<void> join_port_forward(const net::Request& request, net::ResponseWriter& response,
                                      std::string url, net::Resolver& resolver, Logger log) {
  return run_session(request, response, std::move(url), resolver, std::move(log), kPortForwardProtocol,
                     {kPortForwardProtocol}, join_port_streams);
}

}  // namespace cloudless::kubelet
