#include "gossip/membership.hpp"

#include <vector>

namespace cloudless::gossip {

std::string_view to_string(MemberState state) {
  switch (state) {
    case MemberState::kAlive:
      return "alive";
    case MemberState::kSuspect:
      return "suspect";
    case MemberState::kDead:
      return "dead";
    case MemberState::kLeft:
      return "left";
  }
  return "unknown";
}

bool MembershipView::is_alive(std::string_view name) const {
  const auto member = members.find(name);
  return member != members.end() &&
         (member->second.state == MemberState::kAlive || member->second.state == MemberState::kSuspect);
}

bool MembershipView::is_dead(std::string_view name) const {
  return members.contains(name) && !is_alive(name);
}

PublishedMembership::PublishedMembership(std::string self) {
  auto view = std::make_shared<MembershipView>();
  view->members[self] = Member{.name = self};
  view->self = std::move(self);
  view_ = std::move(view);
}

std::shared_ptr<const MembershipView> PublishedMembership::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

std::shared_ptr<void> PublishedMembership::subscribe(std::function<void()> changed) {
  uint64_t id = 0;
  {
    const std::lock_guard lock(subscribers_->mutex);
    id = ++subscribers_->last_id;
    subscribers_->callbacks.emplace(id, std::move(changed));
  }
  // The handle shares the list, so it may outlive the membership.
  return {subscribers_.get(), [list = subscribers_, id](void*) {
            const std::lock_guard lock(list->mutex);
            list->callbacks.erase(id);
          }};
}

void PublishedMembership::publish(std::map<std::string, Member, std::less<>> members) {
  {
    const std::lock_guard lock(mutex_);
    auto next = std::make_shared<MembershipView>();
    next->self = view_->self;
    next->version = view_->version + 1;
    next->members = std::move(members);
    view_ = std::move(next);
  }
  // Called with the lock held: once a handle is gone, its callback neither runs nor begins to.
  const std::lock_guard lock(subscribers_->mutex);
  for (const auto& [id, callback] : subscribers_->callbacks) callback();
}

}  // namespace cloudless::gossip
