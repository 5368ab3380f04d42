#include "net/http1.hpp"

#include <algorithm>
#include <charconv>

#include "base/strings.hpp"

namespace cloudless::net::http1 {

namespace {

// A chunk's size line with its extensions, and all trailer fields together; both are ignored.
constexpr size_t kChunkLineBytes = 4096;
constexpr size_t kTrailerBytes = 16 * 1024;

bool token_char(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kOthers.contains(c);
}

bool token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, token_char); }

bool field_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 127; });
}

Result<int> minor_version(std::string_view version) {
  if (version == "HTTP/1.1") return 1;
  if (version == "HTTP/1.0") return 0;
  return fail(Code::kInvalid, "malformed HTTP version {}", quote(version));
}

// Takes the first line off `head`, without its end.
std::string_view take_line(std::string_view& head) {
  const size_t end = head.find("\r\n");
  const std::string_view line = head.substr(0, end);
  head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
  return line;
}

Result<Headers> parse_fields(std::string_view head) {
  Headers headers;
  while (!head.empty()) {
    const std::string_view line = take_line(head);
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || !token(line.substr(0, colon))) {
      return fail(Code::kInvalid, "malformed MIME header line: {}", quote(line.substr(0, 100)));
    }
    const std::string_view value = trim(line.substr(colon + 1));
    if (!field_value(value)) return fail(Code::kInvalid, "invalid value of header {}", line.substr(0, colon));
    headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
  return headers;
}

void write_fields(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    out += name;
    out += ": ";
    // A value that brings its own line end would begin a field of its own.
    for (const char c : value) out += c == '\r' || c == '\n' ? ' ' : c;
    out += "\r\n";
  }
  out += "\r\n";
}

Result<std::optional<uint64_t>> content_length(const Headers& headers) {
  std::optional<uint64_t> length;
  for (const std::string_view text : headers.all("content-length")) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        (length && *length != value)) {
      return fail(Code::kInvalid, "bad Content-Length {}", quote(text));
    }
    length = value;
  }
  return length;
}

// Chunked or not; any other transfer coding is refused.
Result<bool> chunked(const Headers& headers, int minor) {
  const std::vector<std::string_view> codings = headers.all("transfer-encoding");
  if (codings.empty()) return false;
  if (codings.size() != 1 || !equal_ignoring_case(codings[0], "chunked") || minor == 0) {
    return fail(Code::kInvalid, "unsupported transfer encoding: {}", quote(codings[0]));
  }
  return true;
}

}  // namespace

Result<std::optional<size_t>> head_length(std::string_view bytes, size_t limit, size_t known) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t from = known < kEnd.size() ? 0 : known - kEnd.size() + 1;
  const size_t end = bytes.substr(0, limit).find(kEnd, from);
  if (end != std::string_view::npos) return std::optional(end + 4);
  if (bytes.size() >= limit) return fail(Code::kResourceExhausted, "header longer than {} bytes", limit);
  return std::optional<size_t>();
}

Result<RequestHead> parse_request_head(std::string_view head) {
  const std::string_view line = take_line(head);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return fail(Code::kInvalid, "malformed HTTP request {}", quote(line.substr(0, 100)));
  }
  RequestHead request;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  request.minor_version = TRY(minor_version(line.substr(last + 1)));
  if (!token(request.method)) return fail(Code::kInvalid, "invalid method {}", quote(request.method));
  // The absolute form, as to a proxy, means the same resource here.
  if (const size_t scheme = request.target.find("://");
      scheme != std::string::npos && request.target.starts_with("http")) {
    const size_t path = request.target.find('/', scheme + 3);
    request.target = path == std::string::npos ? "/" : request.target.substr(path);
  }
  const bool printable = std::ranges::all_of(request.target, [](char c) { return c > ' ' && c != 127; });
  const bool origin = request.target.starts_with('/') || request.target == "*" || request.method == "CONNECT";
  if (!printable || !origin) return fail(Code::kInvalid, "invalid request target {}", quote(request.target));
  request.headers = TRY(parse_fields(head));
  return request;
}

Result<ResponseHead> parse_response_head(std::string_view head) {
  const std::string_view line = take_line(head);
  ResponseHead response;
  response.minor_version = TRY(minor_version(line.substr(0, 8)));
  const std::string_view status = line.size() > 9 && line[8] == ' ' ? line.substr(9, 3) : "";
  const auto [end, error] = std::from_chars(status.data(), status.data() + status.size(), response.status);
  if (status.size() != 3 || error != std::errc() || end != status.data() + 3 || response.status < 100) {
    return fail(Code::kInvalid, "malformed HTTP status code {}", quote(line.substr(0, 100)));
  }
  response.headers = TRY(parse_fields(head));
  return response;
}

std::string write_request_head(const Request& request) {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
  write_fields(head, request.headers);
  return head;
}

std::string write_response_head(int status, const Headers& headers) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  write_fields(head, headers);
  return head;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

Result<Framing> request_framing(const RequestHead& head) {
  const std::optional<uint64_t> length = TRY(content_length(head.headers));
  if (TRY(chunked(head.headers, head.minor_version))) {
    // Both at once is how requests are smuggled past a proxy.
    if (length) return fail(Code::kInvalid, "both Transfer-Encoding and Content-Length");
    return Framing{Framing::Kind::kChunked, 0};
  }
  if (!length || *length == 0) return Framing{};
  return Framing{Framing::Kind::kLength, *length};
}

Result<Framing> response_framing(const ResponseHead& head, std::string_view request_method) {
  if (request_method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304)
    return Framing{};
  if (TRY(chunked(head.headers, head.minor_version))) return Framing{Framing::Kind::kChunked, 0};
  const std::optional<uint64_t> length = TRY(content_length(head.headers));
  if (!length) return Framing{Framing::Kind::kUntilClose, 0};
  return *length == 0 ? Framing{} : Framing{Framing::Kind::kLength, *length};
}

bool has_token(const Headers& headers, std::string_view name, std::string_view token) {
  for (const std::string_view value : headers.all(name)) {
    for (const std::string_view item : split(value, ',')) {
      if (equal_ignoring_case(trim(item), token)) return true;
    }
  }
  return false;
}

bool keeps_alive(int minor_version, const Headers& headers) {
  if (has_token(headers, "connection", "close")) return false;
  return minor_version == 1 || has_token(headers, "connection", "keep-alive");
}

Result<ChunkDecoder::Step> ChunkDecoder::decode(std::string_view input) {
  Step step;
  while (step.consumed < input.size() && !done()) {
    const std::string_view rest = input.substr(step.consumed);
    if (state_ == State::kData) {
      step.data = rest.substr(0, std::min<uint64_t>(left_, rest.size()));
      step.consumed += step.data.size();
      left_ -= step.data.size();
      if (left_ == 0) state_ = State::kDataEnd;
      return step;
    }
    const size_t end = rest.find('\n');
    const std::string_view part = rest.substr(0, end);
    if (line_.size() + part.size() > kChunkLineBytes) return fail(Code::kInvalid, "chunk line too long");
    line_ += part;
    step.consumed += part.size();
    if (end == std::string_view::npos) return step;
    ++step.consumed;
    if (!line_.ends_with('\r')) return fail(Code::kInvalid, "malformed chunked encoding");
    line_.pop_back();
    TRY(line(line_));
    line_.clear();
  }
  return step;
}

Result<> ChunkDecoder::line(std::string_view text) {
  if (state_ == State::kDataEnd) {
    if (!text.empty()) return fail(Code::kInvalid, "malformed chunked encoding");
    state_ = State::kSize;
    return {};
  }
  if (state_ == State::kTrailer) {
    trailer_bytes_ += text.size();
    if (trailer_bytes_ > kTrailerBytes)
      return fail(Code::kInvalid, "trailers longer than {} bytes", kTrailerBytes);
    if (text.empty()) state_ = State::kDone;
    return {};
  }
  const std::string_view size = trim(text.substr(0, text.find(';')));
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), left_, 16);
  if (size.empty() || error != std::errc() || end != size.data() + size.size()) {
    return fail(Code::kInvalid, "invalid byte in chunk length");
  }
  state_ = left_ == 0 ? State::kTrailer : State::kData;
  return {};
}

}  // namespace cloudless::net::http1
