// Turn: one writer at a time on a stream that several tasks write to, in the order of their asking.
#pragma once

#include "runtime/channel.hpp"

namespace cloudless::net {

class Turn {
 public:
  /// Gives the turn back when it goes.
  class Holder {
   public:
    explicit Holder(Turn& turn) : turn_(&turn) {}
    Holder(Holder&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Holder& operator=(Holder&&) = delete;
    ~Holder() {
      if (turn_) turn_->taken_.try_receive();
    }

   private:
    Turn* turn_;
  };

  runtime::Task<Result<Holder>> take() {
    CO_TRY(co_await taken_.send('x'));
    co_return Holder(*this);
  }

 private:
  runtime::Channel<char> taken_{1};
};

}  // namespace cloudless::net
