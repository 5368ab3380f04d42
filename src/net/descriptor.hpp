// Descriptor: a non-blocking file descriptor on an EventLoop, and waiting for it. Everything of net/ that
// talks to the kernel (TCP, TLS, UDP, netlink, packet sockets) is system calls plus these two waits, so Asio
// is included by one file.
//
// Owned by one task tree: used on the loop's thread only, abort() excepted.
#pragma once

#include <memory>

#include "runtime/event_loop.hpp"
#include "runtime/task.hpp"

namespace cloudless::net {

class Descriptor {
 public:
  /// Takes over `fd` and makes it non-blocking and close-on-exec.
  Descriptor(runtime::EventLoop& loop, int fd);
  Descriptor(Descriptor&&) noexcept;
  Descriptor& operator=(Descriptor&&) noexcept;
  /// Closes it. No task may be waiting.
  ~Descriptor();

  int fd() const;
  runtime::EventLoop& loop() const;
  bool aborted() const;

  /// Returns when a read may succeed (or there is an error to fetch). kCancelled where the task is,
  /// kUnavailable after abort().
  runtime::Task<Result<>> readable();
  runtime::Task<Result<>> writable();

  /// Wakes all waits with kUnavailable, and those to come; the descriptor stays open until destroyed.
  /// Any thread.
  void abort();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The EventLoop that the running task is on; a task that reaches a socket under another Executor is a bug.
runtime::Task<runtime::EventLoop*> current_loop();

}  // namespace cloudless::net
