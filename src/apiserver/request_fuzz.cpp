// What a client can put into a request line: paths, queries, selectors of verbs, continue tokens.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "apiserver/request/continue_token.hpp"
#include "apiserver/request/negotiation.hpp"
#include "apiserver/request/options.hpp"
#include "apiserver/request_info.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::apiserver;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view path = text.substr(0, text.find('?'));
  const std::string_view query = text.substr(std::min(size, path.size() + 1));
  for (const char* method : {"GET", "POST", "DELETE"}) (void)parse_request_info(method, path, query);
  (void)parse_continue_token(text);
  (void)negotiate({{"accept", std::string(text)}}, query,
                  {.table = true, .partial = true, .aggregated = true});
  if (const auto parsed = Query::parse(query)) {
    (void)parse_list_options(*parsed, true);
    (void)parse_write_options(*parsed, text, "CreateOptions");
    (void)parse_delete_options(*parsed, nullptr);
  }
  return 0;
}
