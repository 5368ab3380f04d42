#include "kubelet/image/image_puller.hpp"

#include <algorithm>

#include "base/strings.hpp"
#include "kubelet/image/image_name.hpp"

namespace cloudless::kubelet {

namespace {

using client::EventLevel;

ImageUse use_of(const cri::Image& image) { return {image.id, image.uid, image.username}; }

// By default an image is pulled each time if its tag may move.
std::string policy_of(const core::Container& container, const std::string& name) {
  if (!container.imagePullPolicy.empty()) return container.imagePullPolicy;
  return name.ends_with(":latest") ? "Always" : "IfNotPresent";
}

}  // namespace

void ImagePuller::tell(const core::Pod& pod, const core::Container& container, EventLevel level,
                       std::string reason, std::string message) const {
  record_(container_event(pod, container.name, level, std::move(reason), std::move(message)));
}

runtime::Task<ImagePuller::Outcome> ImagePuller::ensure(const core::Pod& pod,
                                                        const core::Container& container,
                                                        std::vector<std::string> docker_configs) {
  const std::string& image = container.image;
  const auto name = normalize_image(image);
  if (!name) {
    const std::string message =
        fmt::format("Failed to apply default image tag {}: {}", quote(image), name.error().message);
    tell(pod, container, EventLevel::kWarning, "InspectFailed", message);
    co_return std::unexpected(StartProblem{"InvalidImageName", message, std::nullopt});
  }
  const auto present = co_await images_.image_status(*name);
  if (!present) {
    const std::string message =
        fmt::format("Failed to inspect image {}: {}", quote(image), present.error().message);
    tell(pod, container, EventLevel::kWarning, "InspectFailed", message);
    co_return std::unexpected(StartProblem{"ImageInspectError", message, std::nullopt});
  }
  const std::string policy = policy_of(container, *name);
  if (*present && policy != "Always") {
    tell(pod, container, EventLevel::kNormal, "Pulled",
         fmt::format("Container image {} already present on machine", quote(image)));
    co_return use_of(**present);
  }
  if (policy == "Never") {
    const std::string message =
        fmt::format("Container image {} is not present with pull policy of Never", quote(image));
    tell(pod, container, EventLevel::kWarning, "ErrImageNeverPull", message);
    co_return std::unexpected(StartProblem{"ErrImageNeverPull", message, std::nullopt});
  }
  co_return co_await pull(pod, container, *name, std::move(docker_configs));
}

runtime::Task<ImagePuller::Outcome> ImagePuller::pull(const core::Pod& pod, const core::Container& container,
                                                      std::string name,
                                                      std::vector<std::string> docker_configs) {
  const std::string& image = container.image;
  const Clock& clock = (co_await runtime::current_context()).executor->clock();
  if (const auto known = backoffs_.find(image);
      known != backoffs_.end() && clock.wall_now() < known->second.until) {
    const std::string message = fmt::format("Back-off pulling image {}", quote(image));
    tell(pod, container, EventLevel::kNormal, "BackOff", message);
    co_return std::unexpected(StartProblem{
        "ImagePullBackOff", message + ": ErrImagePull: " + known->second.last_error, known->second.until});
  }
  tell(pod, container, EventLevel::kNormal, "Pulling", fmt::format("Pulling image {}", quote(image)));
  const SteadyTime begin = clock.steady_now();

  // With several secrets for one registry, each is tried.
  std::vector<cri::AuthConfig> credentials;
  for (const std::string& config : docker_configs) {
    if (auto found = credentials_in(config, registry_of(name))) credentials.push_back(std::move(*found));
  }
  if (credentials.empty()) credentials.emplace_back();
  Result<std::string> pulled = fail(Code::kInternal, "not tried");
  for (cri::AuthConfig& auth : credentials) {
    pulled = co_await images_.pull_image(name, std::move(auth));
    if (pulled) break;
  }
  if (!pulled) co_return failed(pod, container, pulled.error(), clock.wall_now());

  backoffs_.erase(image);
  const auto present = co_await images_.image_status(*pulled);
  if (!present || !*present)
    co_return failed(
        pod, container,
        present ? Error{Code::kNotFound, "the image is not there after its pull"} : present.error(),
        clock.wall_now());
  const auto took = std::chrono::round<std::chrono::milliseconds>(clock.steady_now() - begin);
  tell(pod, container, EventLevel::kNormal, "Pulled",
       fmt::format("Successfully pulled image {0} in {1} ({1} including waiting). Image size: {2} bytes.",
                   quote(image), format_duration(took), (*present)->size_bytes));
  co_return use_of(**present);
}

ImagePuller::Outcome ImagePuller::failed(const core::Pod& pod, const core::Container& container,
                                         const Error& error, WallTime now) {
  if (backoffs_.size() >= kMaxRemembered)
    std::erase_if(backoffs_, [&](const auto& entry) { return entry.second.until < now; });
  Backoff& backoff = backoffs_[container.image];
  // A failure long after the last one begins anew.
  const bool fresh = backoff.delay == Duration(0) || now - backoff.until > 2 * kMaxBackoff;
  backoff.delay = fresh ? Duration(kFirstBackoff) : std::min<Duration>(backoff.delay * 2, kMaxBackoff);
  backoff.until = now + backoff.delay;
  backoff.last_error = error.message;
  tell(pod, container, EventLevel::kWarning, "Failed",
       fmt::format("Failed to pull image {}: {}", quote(container.image), error.message));
  return std::unexpected(StartProblem{"ErrImagePull", error.message, std::nullopt});
}

}  // namespace cloudless::kubelet
