#include "net/mux_inbox.hpp"

namespace cloudless::net {

using runtime::Task;

Task<Result<>> MuxInbox::put(std::string bytes) {
  while (!aborted_ && bytes_.size() >= kMuxStreamBytes) CO_TRY(co_await room_.wait());
  if (aborted_) co_return Result<>();
  bytes_ += bytes;
  arrived_.notify();
  co_return Result<>();
}

void MuxInbox::end() {
  ended_ = true;
  arrived_.notify();
}

void MuxInbox::abort() {
  aborted_ = true;
  arrived_.notify();
  room_.notify();
}

Task<Result<std::string>> MuxInbox::read(size_t limit) {
  for (;;) {
    if (!bytes_.empty()) {
      std::string taken = bytes_.substr(0, limit);
      bytes_.erase(0, taken.size());
      room_.notify();
      co_return taken;
    }
    if (aborted_) co_return fail(Code::kUnavailable, "stream reset");
    if (ended_) co_return std::string();
    CO_TRY(co_await arrived_.wait());
  }
}

}  // namespace cloudless::net
