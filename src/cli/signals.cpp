#include "cli/signals.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "runtime/completion.hpp"

namespace cloudless::cli {

runtime::Task<Result<int>> wait_for_termination(runtime::EventLoop& loop) {
  boost::asio::signal_set signals(loop.io(), SIGINT, SIGTERM);
  runtime::Completion<int> arrived;
  signals.async_wait([arrived](const boost::system::error_code& error, int number) {
    if (!error) arrived.complete(number);
  });
  co_return co_await arrived.wait();
}

}  // namespace cloudless::cli
