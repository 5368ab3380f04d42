// ImagePuller: makes a container's image present, by its pull policy, with back-off per image (10 s to 5
// min), and says so in upstream's events (pkg/kubelet/images).
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/cri/cri.hpp"
#include "kubelet/pod/events.hpp"

namespace cloudless::kubelet {

struct ImageUse {
  std::string id;  // what containers are created from
  std::optional<int64_t> uid;
  std::string username;
};

/// Why a container cannot start now: a waiting reason ("ErrImagePull") and message, and when to try again.
struct StartProblem {
  std::string reason;
  std::string message;
  std::optional<WallTime> retry_at;
};

class ImagePuller {
 public:
  static constexpr std::chrono::seconds kFirstBackoff{10};
  static constexpr std::chrono::seconds kMaxBackoff{300};
  static constexpr size_t kMaxRemembered = 1000;

  /// `images` outlives the puller.
  ImagePuller(cri::ImageService& images, EventSink record) : images_(images), record_(std::move(record)) {}

  /// `docker_configs`: the pull secrets' .dockerconfigjson texts.
  runtime::Task<std::expected<ImageUse, StartProblem>> ensure(const core::Pod& pod,
                                                              const core::Container& container,
                                                              std::vector<std::string> docker_configs);

 private:
  struct Backoff {
    Duration delay{0};
    WallTime until;
    std::string last_error;
  };
  using Outcome = std::expected<ImageUse, StartProblem>;

  void tell(const core::Pod& pod, const core::Container& container, client::EventLevel level,
            std::string reason, std::string message) const;
  runtime::Task<Outcome> pull(const core::Pod& pod, const core::Container& container, std::string name,
                              std::vector<std::string> docker_configs);
  Outcome failed(const core::Pod& pod, const core::Container& container, const Error& error, WallTime now);

  cri::ImageService& images_;
  EventSink record_;
  std::map<std::string, Backoff> backoffs_;  // by image as written
};

}  // namespace cloudless::kubelet
