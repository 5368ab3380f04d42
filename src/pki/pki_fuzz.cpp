// PEM, keys, certificates and signing requests as they come from outside: whatever parses can be read and
// written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "pki/certificate.hpp"
#include "pki/pem.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cloudless::pki;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const PemBlock& block : parse_pem(text)) {
    const auto again = parse_pem(format_pem(block.label, block.bytes));
    if (again.size() != 1 || again[0].bytes != block.bytes) std::abort();
  }
  (void)PrivateKey::from_pem(text);
  (void)PublicKey::bundle_from_pem(text);
  if (const auto certificate = Certificate::from_der(text)) {
    (void)certificate->subject();
    (void)certificate->alt_names();
    (void)certificate->usages();
    (void)certificate->not_after();
    if (!Certificate::from_pem(certificate->to_pem())) std::abort();
  }
  if (const auto request = CertificateRequest::from_der(text)) {
    (void)request->subject();
    (void)request->alt_names();
    if (!CertificateRequest::from_pem(request->to_pem())) std::abort();
  }
  return 0;
}
