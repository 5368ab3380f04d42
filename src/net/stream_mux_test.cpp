// WebSocket and SPDY: framing by tables, muxes over pipes, and kubectl as a real client of both.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "net/in_process.hpp"
#include "net/mux_inbox.hpp"
#include "net/server.hpp"
#include "net/spdy_frame.hpp"
#include "net/stream_mux.hpp"
#include "net/websocket.hpp"
#include "net/websocket_frame.hpp"
#include "runtime/simulation.hpp"
#include "runtime/timer.hpp"

namespace cloudless::net {
namespace {

using runtime::Task;
using websocket::Masking;
using websocket::Opcode;

TEST(WebSocketFrame, TheAcceptKeyIsThatOfTheRfc) {
  EXPECT_EQ(websocket::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketFrame, WhatIsWrittenIsReadForEveryLength) {
  for (const size_t size : {0, 1, 125, 126, 127, 65'535, 65'536, 100'000}) {
    const std::string payload(size, 'p');
    const std::string bytes = websocket::write_frame({true, Opcode::kBinary, payload}, {{1, 2, 3, 4}});
    const auto parsed = websocket::parse_frame(bytes + "rest", Masking::kRequired, 1 << 20);
    ASSERT_TRUE(parsed && *parsed) << size;
    EXPECT_EQ((*parsed)->frame.payload, payload);
    EXPECT_EQ((*parsed)->consumed, bytes.size());
    for (const size_t cut : {size_t{1}, bytes.size() / 2, bytes.size() - 1}) {
      const auto partial =
          websocket::parse_frame(std::string_view(bytes).substr(0, cut), Masking::kRequired, 1 << 20);
      ASSERT_TRUE(partial);
      EXPECT_FALSE(*partial) << size << " cut at " << cut;
    }
  }
}

TEST(WebSocketFrame, BreachesOfTheProtocolAreErrors) {
  const auto broken = [](std::string_view bytes) {
    return !websocket::parse_frame(bytes, Masking::kForbidden, 1000).has_value();
  };
  EXPECT_TRUE(broken(std::string_view("\xc2\x00", 2)));          // a reserved bit
  EXPECT_TRUE(broken(std::string_view("\x83\x00", 2)));          // an unknown opcode
  EXPECT_TRUE(broken(std::string_view("\x82\x80\0\0\0\0", 6)));  // masked by a server
  EXPECT_TRUE(broken(std::string_view("\x09\x00", 2)));          // a fragmented ping
  EXPECT_TRUE(broken(std::string_view("\x89\x7e\x00\x80", 4)));  // a long ping
  EXPECT_TRUE(broken(std::string_view("\x82\x7e\xff\xff", 4)));  // past the limit
}

Task<Result<std::string>> talk_over_websocket() {
  auto [server_end, client_end] = make_pipe();
  const auto server = make_websocket(std::move(server_end), WebSocketRole::kServer, "");
  const auto client =
      make_websocket(std::move(client_end), WebSocketRole::kClient, "", std::make_shared<SeededRandom>(1));
  CO_TRY(co_await client->ping());
  CO_TRY(co_await client->write({false, "hello"}));
  auto heard = CO_TRY(co_await server->read());
  CO_TRY(co_await server->write({true, heard->payload + " back"}));
  auto answer = CO_TRY(co_await client->read());
  CO_TRY(co_await client->close(1000, "done"));
  const auto end = CO_TRY(co_await server->read());
  co_return answer->payload + (end ? " and more" : " and the end");
}

TEST(WebSocket, MessagesPassAndTheEndIsSeen) {
  runtime::Simulation simulation;
  const auto heard = simulation.run(talk_over_websocket());
  ASSERT_TRUE(heard && *heard);
  EXPECT_EQ(**heard, "hello back and the end");
}

TEST(SpdyCodec, HeadersPassThroughTheCompressorAgainAndAgain) {
  spdy::Codec sender;
  spdy::Codec receiver;
  for (uint32_t id = 1; id < 20; id += 2) {
    const Headers headers{{"streamType", fmt::format("data-{}", id)}, {"port", "8080"}};
    const std::string bytes = sender.write({spdy::Type::kSynStream, id, spdy::kFin, 0, headers, {}});
    const auto parsed = receiver.parse(bytes);
    ASSERT_TRUE(parsed && *parsed && (*parsed)->frame) << id;
    EXPECT_EQ((*parsed)->consumed, bytes.size());
    const spdy::Frame& frame = *(*parsed)->frame;
    EXPECT_EQ(frame.stream, id);
    EXPECT_EQ(frame.flags, spdy::kFin);
    EXPECT_EQ(frame.headers.get("streamtype"), fmt::format("data-{}", id));
  }
}

TEST(SpdyCodec, BrokenFramesAreErrors) {
  const auto broken = [](std::string_view bytes) { return !spdy::Codec().parse(bytes).has_value(); };
  EXPECT_TRUE(broken(std::string_view("\x80\x02\x00\x01\x00\x00\x00\x00", 8)));             // another version
  EXPECT_TRUE(broken(std::string_view("\x80\x03\x00\x01\x00\x00\x00\x00", 8)));             // too short
  EXPECT_TRUE(broken(std::string_view("\x00\x00\x00\x01\x00\xff\xff\xff", 8)));             // too long
  EXPECT_TRUE(broken(std::string_view("\x80\x03\x00\x02\x00\x00\x00\x06\0\0\0\1xx", 14)));  // no zlib
}

// A client of SPDY made of the codec alone.
struct SpdyPeer {
  std::unique_ptr<ByteStream> bytes;
  spdy::Codec codec;
  std::string buffer;

  Task<Result<>> send(spdy::Frame frame) { co_return co_await bytes->write(codec.write(frame)); }
  Task<Result<spdy::Frame>> receive() {
    for (;;) {
      auto parsed = CO_TRY(codec.parse(buffer));
      if (parsed) {
        buffer.erase(0, parsed->consumed);
        if (parsed->frame) co_return std::move(*parsed->frame);
        continue;
      }
      const std::string more = CO_TRY(co_await bytes->read(4096));
      if (more.empty()) co_return fail(Code::kUnavailable, "end");
      buffer += more;
    }
  }
};

Task<Result<std::string>> talk_over_spdy(runtime::Executor& executor) {
  auto [server_end, client_end] = make_pipe();
  const auto mux =
      make_spdy_mux(executor, SpdyRole::kServer, std::move(server_end), "v4.channel.k8s.io", Logger());
  SpdyPeer peer{std::move(client_end), {}, {}};
  CO_TRY(co_await peer.send({spdy::Type::kSynStream, 1, 0, 0, {{"streamtype", "stdin"}}, {}}));
  CO_TRY(co_await peer.send({spdy::Type::kPing, 7, 0, 0, {}, {}}));
  CO_TRY(co_await peer.send({spdy::Type::kData, 1, spdy::kFin, 0, {}, "input"}));
  auto stream = CO_TRY(co_await mux->accept());
  const std::string type((*stream)->headers().get("streamtype").value_or(""));
  const std::string input = CO_TRY(co_await (*stream)->read(100));
  const std::string end = CO_TRY(co_await (*stream)->read(100));
  CO_TRY(co_await (*stream)->write("output"));
  CO_TRY(co_await (*stream)->close_write());
  std::string seen = type + ":" + input + end;
  for (int i = 0; i < 4; ++i) {
    const spdy::Frame frame = CO_TRY(co_await peer.receive());
    seen += fmt::format(" {}/{}/{}", static_cast<int>(frame.type), frame.stream, frame.data);
  }
  co_return seen;
}

TEST(SpdyMux, AStreamIsOpenedReadWrittenAndEnded) {
  runtime::Simulation simulation;
  const auto seen = simulation.run(talk_over_spdy(simulation));
  ASSERT_TRUE(seen && *seen) << (seen ? seen->error().message : seen.error().message);
  EXPECT_EQ(**seen, "stdin:input 2/1/ 6/7/ 0/1/output 0/1/");
}

Task<Result<std::string>> talk_between_muxes(runtime::Executor& executor) {
  auto [server_end, client_end] = make_pipe();
  const auto server = make_spdy_mux(executor, SpdyRole::kServer, std::move(server_end), "p", Logger());
  const auto client = make_spdy_mux(executor, SpdyRole::kClient, std::move(client_end), "p", Logger());
  std::string seen;
  for (const char* type : {"stdin", "error"}) {
    const auto ours = CO_TRY(co_await client->open({{"streamtype", type}}));
    CO_TRY(co_await ours->write("to the server"));
    const auto theirs = CO_TRY(co_await server->accept());
    seen += std::string((*theirs)->headers().get("streamtype").value_or("")) + ":";
    seen += CO_TRY(co_await (*theirs)->read(100));
    CO_TRY(co_await (*theirs)->write(" and back "));
    CO_TRY(co_await (*theirs)->close_write());
    seen += CO_TRY(co_await ours->read(100)) + CO_TRY(co_await ours->read(100));
  }
  co_return seen;
}

TEST(SpdyMux, AClientOpensStreamsToAServer) {
  runtime::Simulation simulation;
  const auto seen = simulation.run(talk_between_muxes(simulation));
  ASSERT_TRUE(seen && *seen) << (seen ? seen->error().message : seen.error().message);
  EXPECT_EQ(**seen, "stdin:to the server and back error:to the server and back ");
}

Task<Result<std::string>> talk_over_channels(runtime::Executor& executor) {
  auto [server_end, client_end] = make_pipe();
  const auto mux =
      make_websocket_mux(executor, make_websocket(std::move(server_end), WebSocketRole::kServer, ""),
                         "v5.channel.k8s.io", Logger());
  const auto client =
      make_websocket(std::move(client_end), WebSocketRole::kClient, "", std::make_shared<SeededRandom>(1));
  auto in = CO_TRY(co_await mux->accept());
  auto out = CO_TRY(co_await mux->accept());
  CO_TRY(co_await client->write({true, std::string("\0typed", 6)}));
  CO_TRY(co_await client->write({true, std::string("\xff\0", 2)}));
  const std::string typed = CO_TRY(co_await (*in)->read(100));
  const std::string end = CO_TRY(co_await (*in)->read(100));
  CO_TRY(co_await (*out)->write("said"));
  const auto said = CO_TRY(co_await client->read());
  co_return typed + end + "/" + said->payload;
}

TEST(WebSocketMux, ChannelsCarryInputItsEndAndOutput) {
  runtime::Simulation simulation;
  const auto seen = simulation.run(talk_over_channels(simulation));
  ASSERT_TRUE(seen && *seen);
  EXPECT_EQ(**seen, "typed/\x01said");
}

// An API server as small as kubectl exec and port-forward allow: one pod that echoes.
const std::string kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default","uid":"1"},)"
    R"("spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running"}})";
const std::map<std::string, std::string, std::less<>> kDiscovery = {
    {"/api", R"({"kind":"APIVersions","versions":["v1"]})"},
    {"/apis", R"({"kind":"APIGroupList","apiVersion":"v1","groups":[]})"},
    {"/api/v1",
     R"({"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod",)"
     R"("namespaced":true,"kind":"Pod","verbs":["get"]}]})"}};
const std::string kSuccess = R"({"metadata":{},"status":"Success"})";

Task<Result<>> echo_command(StreamMux& mux) {
  std::map<std::string, std::unique_ptr<MuxStream>> streams;
  while (!streams.contains("stdin") || !streams.contains("stdout") || !streams.contains("error")) {
    auto stream = CO_TRY(co_await mux.accept());
    if (!stream) co_return fail(Code::kUnavailable, "the client left");
    std::string type((*stream)->headers().get("streamtype").value_or(""));
    streams.emplace(std::move(type), std::move(*stream));
  }
  for (;;) {
    std::string typed = CO_TRY(co_await streams["stdin"]->read(4096));
    if (typed.empty()) break;
    CO_TRY(co_await streams["stdout"]->write("heard: " + typed));
  }
  CO_TRY(co_await streams["error"]->write(kSuccess));
  for (auto& [type, stream] : streams) CO_TRY(co_await stream->close_write());
  co_return Result<>();
}

// Answers one forwarded connection: upper-cases what comes until its end.
Task<Result<>> answer_forwarded(StreamMux& mux) {
  std::unique_ptr<MuxStream> error;
  std::unique_ptr<MuxStream> data;
  while (!data) {
    auto stream = CO_TRY(co_await mux.accept());
    if (!stream) co_return fail(Code::kUnavailable, "the client left");
    ((*stream)->headers().get("streamtype") == "data" ? data : error) = std::move(*stream);
  }
  CO_TRY(co_await error->close_write());
  const std::string asked = CO_TRY(co_await data->read(4096));
  CO_TRY(co_await data->write("answer to " + asked));
  CO_TRY(co_await data->close_write());
  // The connection stays: the client ends it.
  while (CO_TRY(co_await mux.accept())) {
  }
  co_return Result<>();
}

Task<void> serve_pod(Request request, ResponseWriter& response) {
  const bool exec = request.path().ends_with("/exec");
  if (exec || request.path().ends_with("/portforward")) {
    const std::vector<std::string> protocols =
        exec ? std::vector<std::string>{"v5.channel.k8s.io", "v4.channel.k8s.io"}
             : std::vector<std::string>{"portforward.k8s.io"};
    auto mux = co_await upgrade_streams(request, response, protocols, Logger());
    if (!mux) co_return;
    static_cast<void>(exec ? co_await echo_command(**mux) : co_await answer_forwarded(**mux));
    co_await (*mux)->close();
    co_return;
  }
  const auto discovery = kDiscovery.find(request.path());
  const std::string& body = discovery == kDiscovery.end() ? kPod : discovery->second;
  static_cast<void>(co_await response.respond(200, {{"Content-Type", "application/json"}}, {share(body)}));
}

class Kubectl : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (std::system("command -v kubectl >/dev/null 2>&1") != 0) GTEST_SKIP() << "kubectl is not installed";
    server_ = std::make_unique<Server>(std::vector{&loop_.loop()},
                                       ServerOptions{.address = {*IpAddress::parse("127.0.0.1"), 0}},
                                       serve_pod, Logger());
    ASSERT_TRUE(server_->start());
  }
  void TearDown() override {
    if (server_) runtime::run_blocking(stopper_.loop(), server_->stop(Duration()));
  }

  std::string environment() const {
    const char* value = GetParam() ? "true" : "false";
    return fmt::format("KUBECTL_REMOTE_COMMAND_WEBSOCKETS={0} KUBECTL_PORT_FORWARD_WEBSOCKETS={0} ", value);
  }
  std::string server() const { return "--server=http://" + server_->address().to_string(); }

  static std::string output_of(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string output;
    std::array<char, 4096> part;
    while (const size_t size = std::fread(part.data(), 1, part.size(), pipe))
      output.append(part.data(), size);
    ::pclose(pipe);
    return output;
  }

  // Outlives the server's loop, which posts to it to the last.
  runtime::LoopThread stopper_{"stopper"};
  runtime::LoopThread loop_{"server"};
  std::unique_ptr<Server> server_;
};

TEST_P(Kubectl, ExecCarriesInputAndOutput) {
  const std::string output =
      output_of("echo words | " + environment() + "KUBECONFIG=/dev/null timeout 20 kubectl " + server() +
                " exec -i p -- cat 2>&1");
  EXPECT_EQ(output, "heard: words\n");
}

TEST_P(Kubectl, PortForwardCarriesAConnection) {
  // bash connects when kubectl has said where it listens.
  const std::string script = "export " + environment() +
                             "KUBECONFIG=/dev/null\ncoproc KUBECTL { exec timeout 20 kubectl " + server() +
                             R"( port-forward p :80; }
    while read -r -u "${KUBECTL[0]}" line; do
      port=$(echo "$line" | sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p')
      if [ -n "$port" ]; then exec 3<>/dev/tcp/127.0.0.1/$port; echo -n question >&3; cat <&3; break; fi
    done
    kill "$KUBECTL_PID")";
  const std::string file = testing::TempDir() + fmt::format("cl-net-forward-{}.sh", ::getpid());
  std::ofstream(file) << script;
  const std::string output = output_of("bash " + file + " 2>/dev/null");
  std::remove(file.c_str());
  EXPECT_EQ(output, "answer to question");
}

INSTANTIATE_TEST_SUITE_P(Over, Kubectl, testing::Bool(),
                         [](const auto& info) { return info.param ? "WebSocket" : "Spdy"; });

}  // namespace
}  // namespace cloudless::net
