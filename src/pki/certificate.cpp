#include "pki/certificate.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "pki/names.hpp"
#include "pki/openssl.hpp"
#include "pki/pem.hpp"
#include "pki/usages.hpp"

namespace cloudless::pki {

namespace {

std::string hex_of(const ASN1_STRING* value) {
  if (!value) return {};
  return hex_encode({reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<size_t>(ASN1_STRING_length(value))});
}

int purpose_of(std::string_view usage) {
  if (usage == "client auth") return X509_PURPOSE_SSL_CLIENT;
  if (usage == "server auth") return X509_PURPOSE_SSL_SERVER;
  return X509_PURPOSE_ANY;
}

}  // namespace

Result<Certificate> Certificate::from_der(std::string_view der) {
  auto certificate = from_der_bytes<X509, X509_free>(d2i_X509, der);
  if (!certificate) return fail(Code::kInvalid, "the certificate is malformed");
  return Certificate(std::move(certificate));
}

Result<std::vector<Certificate>> Certificate::bundle_from_pem(std::string_view pem) {
  std::vector<Certificate> certificates;
  for (const PemBlock& block : parse_pem(pem)) {
    if (block.label == "CERTIFICATE") certificates.push_back(TRY(from_der(block.bytes)));
  }
  if (certificates.empty()) return fail(Code::kInvalid, "data does not contain any valid certificates");
  return certificates;
}

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  auto certificates = TRY(bundle_from_pem(pem));
  return certificates.front();
}

std::string Certificate::der() const { return to_der(i2d_X509, certificate_.get()); }
std::string Certificate::to_pem() const { return format_pem("CERTIFICATE", der()); }

Subject Certificate::subject() const { return read_subject(X509_get_subject_name(certificate_.get())); }
Subject Certificate::issuer() const { return read_subject(X509_get_issuer_name(certificate_.get())); }

AltNames Certificate::alt_names() const {
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate_.get(), NID_subject_alt_name, nullptr, nullptr)));
  return read_alt_names(names.get());
}

Usages Certificate::usages() const {
  Usages out;
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> bits(
      static_cast<ASN1_BIT_STRING*>(X509_get_ext_d2i(certificate_.get(), NID_key_usage, nullptr, nullptr)));
  for (int last = -1; const KeyUsage& usage : key_usages()) {
    if (bits && usage.bit != last && ASN1_BIT_STRING_get_bit(bits.get(), usage.bit))
      out.emplace_back(usage.name);
    last = usage.bit;
  }
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> extended(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(certificate_.get(), NID_ext_key_usage, nullptr, nullptr)));
  for (int i = 0; extended && i < sk_ASN1_OBJECT_num(extended.get()); ++i) {
    const int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(extended.get(), i));
    const auto known = extended_key_usages();
    const auto at = std::ranges::find(known, nid, &ExtendedKeyUsage::nid);
    if (at != known.end()) out.emplace_back(at->name);
  }
  return out;
}

bool Certificate::is_ca() const { return X509_check_ca(certificate_.get()) == 1; }
WallTime Certificate::not_before() const { return read_time(X509_get0_notBefore(certificate_.get())); }
WallTime Certificate::not_after() const { return read_time(X509_get0_notAfter(certificate_.get())); }

std::string Certificate::serial() const {
  std::string hex = hex_of(X509_get0_serialNumber(certificate_.get()));
  hex.erase(0, std::min(hex.find_first_not_of('0'), hex.size()));
  return hex.empty() ? "0" : hex;
}

std::string Certificate::subject_key_id() const {
  return hex_of(X509_get0_subject_key_id(certificate_.get()));
}
std::string Certificate::authority_key_id() const {
  return hex_of(X509_get0_authority_key_id(certificate_.get()));
}

PublicKey Certificate::public_key() const {
  return PublicKey(std::shared_ptr<EVP_PKEY>(X509_get_pubkey(certificate_.get()), EVP_PKEY_free));
}

std::string Certificate::fingerprint() const { return hex_encode(sha256(der())); }
std::string Certificate::public_key_pin() const {
  return "sha256:" + hex_encode(sha256(public_key().spki()));
}

Result<> verify(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                const std::vector<Certificate>& roots, const VerifyOptions& options) {
  const Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  const Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  // The stack does not own what is in it.
  const Owned<STACK_OF(X509), +[](STACK_OF(X509) * stack) { sk_X509_free(stack); }> chain(sk_X509_new_null());
  for (const Certificate& root : roots) X509_STORE_add_cert(store.get(), root.get());
  for (const Certificate& certificate : intermediates) sk_X509_push(chain.get(), certificate.get());
  if (X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), chain.get()) != 1)
    return std::unexpected(openssl_error(Code::kInternal, "prepare to verify a certificate"));
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  // A CA need not be self-signed to be trusted, as in Go.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_purpose(parameters, purpose_of(options.usage));
  X509_VERIFY_PARAM_set_time(
      parameters, std::chrono::floor<std::chrono::seconds>(options.now).time_since_epoch().count());
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (good) return {};
  return fail(Code::kUnauthenticated, "x509: {}",
              X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
}

}  // namespace cloudless::pki
