// Cancellation: a tree of flags with callbacks. A CancelState belongs to one executor and is used on its
// thread only.
#pragma once

#include <cassert>

namespace cloudless::runtime {

class CancelState {
 public:
  /// Told once when the state is cancelled; leaves the state when destroyed. Not movable: the state links to
  /// it.
  class Callback {
   public:
    Callback() = default;
    Callback(const Callback&) = delete;
    Callback& operator=(const Callback&) = delete;
    virtual ~Callback() { unlink(); }
    virtual void on_cancel() = 0;

    void unlink() {
      if (!state_) return;
      (previous_ ? previous_->next_ : state_->first_) = next_;
      if (next_) next_->previous_ = previous_;
      state_ = nullptr;
      previous_ = next_ = nullptr;
    }

   private:
    friend class CancelState;
    CancelState* state_ = nullptr;
    Callback* previous_ = nullptr;
    Callback* next_ = nullptr;
  };

  CancelState() = default;
  CancelState(const CancelState&) = delete;
  CancelState& operator=(const CancelState&) = delete;
  ~CancelState() { assert(!first_); }

  bool cancelled() const { return cancelled_; }

  void cancel() {
    cancelled_ = true;
    while (first_) {
      Callback* callback = first_;
      callback->unlink();
      callback->on_cancel();
    }
  }

  /// `callback` must not be linked; the state must not be cancelled yet.
  void add(Callback& callback) {
    assert(!cancelled_ && !callback.state_);
    callback.state_ = this;
    callback.next_ = first_;
    if (first_) first_->previous_ = &callback;
    first_ = &callback;
  }

 private:
  bool cancelled_ = false;
  Callback* first_ = nullptr;
};

/// Cancels `child` when `parent` is cancelled; at once if it is already.
class LinkedCancel final : public CancelState::Callback {
 public:
  LinkedCancel(CancelState* parent, CancelState& child) : child_(child) {
    if (!parent) return;
    if (parent->cancelled()) {
      child_.cancel();
    } else {
      parent->add(*this);
    }
  }
  void on_cancel() override { child_.cancel(); }

 private:
  CancelState& child_;
};

}  // namespace cloudless::runtime
