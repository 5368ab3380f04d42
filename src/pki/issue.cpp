// Making and signing certificates and requests.
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "pki/certificate.hpp"
#include "pki/names.hpp"
#include "pki/openssl.hpp"
#include "pki/pem.hpp"
#include "pki/usages.hpp"

namespace cloudless::pki {

namespace {

using OwnedCertificate = Owned<X509, X509_free>;
using OwnedExtension = Owned<X509_EXTENSION, X509_EXTENSION_free>;

constexpr size_t kSerialBytes = 16;

std::shared_ptr<X509_REQ> own(X509_REQ* request) { return std::shared_ptr<X509_REQ>(request, X509_REQ_free); }

std::unexpected<Error> failed(std::string_view doing) {
  return std::unexpected(openssl_error(Code::kInternal, doing));
}

Result<> set_serial(X509* certificate) {
  std::array<unsigned char, kSerialBytes> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return failed("draw a serial number");
  bytes[0] &= 0x7f;  // a serial number is positive (RFC 5280, 4.1.2.2)
  const Owned<BIGNUM, BN_free> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  if (!BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)))
    return failed("set a serial number");
  return {};
}

Result<> add(X509* certificate, int nid, const void* value, bool critical) {
  const OwnedExtension extension(X509V3_EXT_i2d(nid, critical ? 1 : 0, const_cast<void*>(value)));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) return failed("add an extension");
  return {};
}

Result<> add_usages(X509* certificate, const Usages& usages) {
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> bits(ASN1_BIT_STRING_new());
  const Owned<EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free> extended(EXTENDED_KEY_USAGE_new());
  bool has_bits = false;
  for (const std::string& usage : usages) {
    const auto bit = std::ranges::find(key_usages(), usage, &KeyUsage::name);
    const auto purpose = std::ranges::find(extended_key_usages(), usage, &ExtendedKeyUsage::name);
    if (bit != key_usages().end()) {
      ASN1_BIT_STRING_set_bit(bits.get(), bit->bit, 1);
      has_bits = true;
    } else if (purpose != extended_key_usages().end()) {
      sk_ASN1_OBJECT_push(extended.get(), OBJ_nid2obj(purpose->nid));
    } else {
      return fail(Code::kInvalid, "unrecognized usage values: {}", usage);
    }
  }
  if (has_bits) TRY(add(certificate, NID_key_usage, bits.get(), true));
  if (sk_ASN1_OBJECT_num(extended.get()) > 0) TRY(add(certificate, NID_ext_key_usage, extended.get(), false));
  return {};
}

Result<> add_key_ids(X509* certificate, X509* issuer) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const auto& [nid, value] :
       {std::pair{NID_subject_key_identifier, "hash"}, std::pair{NID_authority_key_identifier, "keyid"}}) {
    const OwnedExtension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
      return failed("add a key identifier");
  }
  return {};
}

Result<> add_extensions(X509* certificate, X509* issuer, const CertificateSpec& spec) {
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(BASIC_CONSTRAINTS_new());
  constraints->ca = spec.is_ca ? 0xff : 0;
  TRY(add_usages(certificate, spec.usages));
  TRY(add(certificate, NID_basic_constraints, constraints.get(), true));
  TRY(add_key_ids(certificate, issuer));
  if (spec.alt_names.empty()) return {};
  const OwnedExtension names = TRY(make_alt_names(spec.alt_names));
  if (X509_add_ext(certificate, names.get(), -1) != 1) return failed("add alternative names");
  return {};
}

// Everything but the signature. `issuer` is null where the certificate signs itself.
Result<OwnedCertificate> assemble(const CertificateSpec& spec, EVP_PKEY* key, X509* issuer) {
  OwnedCertificate certificate(X509_new());
  const OwnedName subject = TRY(make_name(spec.subject));
  if (X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      X509_set_subject_name(certificate.get(), subject.get()) != 1 ||
      X509_set_issuer_name(certificate.get(), issuer ? X509_get_subject_name(issuer) : subject.get()) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1 ||
      !write_time(X509_getm_notBefore(certificate.get()), spec.not_before) ||
      !write_time(X509_getm_notAfter(certificate.get()), spec.not_after)) {
    return failed("assemble a certificate");
  }
  TRY(set_serial(certificate.get()));
  TRY(add_extensions(certificate.get(), issuer ? issuer : certificate.get(), spec));
  return certificate;
}

Result<Certificate> sign(OwnedCertificate certificate, const PrivateKey& key) {
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) return failed("sign a certificate");
  return Certificate(std::shared_ptr<X509>(certificate.release(), X509_free));
}

}  // namespace

Result<Certificate> self_sign(const CertificateSpec& spec, const PrivateKey& key) {
  return sign(TRY(assemble(spec, key.get(), nullptr)), key);
}

Result<Ca> make_ca(KeyType type, std::string common_name, WallTime now, Duration lifetime) {
  const CertificateSpec spec{.subject = {std::move(common_name), {}},
                             .alt_names = {},
                             .usages = {"digital signature", "key encipherment", "cert sign"},
                             .not_before = now - kBackdate,
                             .not_after = now + lifetime,
                             .is_ca = true};
  PrivateKey key = TRY(PrivateKey::generate(type));
  Certificate certificate = TRY(self_sign(spec, key));
  return Ca{std::move(certificate), std::move(key)};
}

Result<Certificate> issue(const Ca& ca, const CertificateSpec& spec, const PublicKey& key) {
  CertificateSpec limited = spec;
  limited.not_after = std::min(spec.not_after, ca.certificate.not_after());
  return sign(TRY(assemble(limited, key.get(), ca.certificate.get())), ca.key);
}

Result<CertificateRequest> CertificateRequest::from_der(std::string_view der) {
  auto request = from_der_bytes<X509_REQ, X509_REQ_free>(d2i_X509_REQ, der);
  if (!request) return fail(Code::kInvalid, "the certificate request is malformed");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  const bool good = key && X509_REQ_verify(request.get(), key) == 1;
  ERR_clear_error();
  if (!good) return fail(Code::kInvalid, "the certificate request's own signature is wrong");
  return CertificateRequest(std::move(request));
}

Result<CertificateRequest> CertificateRequest::from_pem(std::string_view pem) {
  const auto blocks = parse_pem(pem);
  if (blocks.empty() || blocks[0].label != "CERTIFICATE REQUEST")
    return fail(Code::kInvalid, "PEM block type must be CERTIFICATE REQUEST");
  return from_der(blocks[0].bytes);
}

Result<CertificateRequest> CertificateRequest::make(const PrivateKey& key, const Subject& subject,
                                                    const AltNames& alt_names) {
  auto request = own(X509_REQ_new());
  const OwnedName name = TRY(make_name(subject));
  if (X509_REQ_set_subject_name(request.get(), name.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1) {
    return failed("assemble a certificate request");
  }
  if (!alt_names.empty()) {
    const OwnedExtension names = TRY(make_alt_names(alt_names));
    const Owned<STACK_OF(X509_EXTENSION),
                +[](STACK_OF(X509_EXTENSION) * stack) { sk_X509_EXTENSION_free(stack); }>
        extensions(sk_X509_EXTENSION_new_null());
    sk_X509_EXTENSION_push(extensions.get(), names.get());
    if (X509_REQ_add_extensions(request.get(), extensions.get()) != 1) return failed("add alternative names");
  }
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0) return failed("sign a certificate request");
  return CertificateRequest(std::move(request));
}

std::string CertificateRequest::to_pem() const {
  return format_pem("CERTIFICATE REQUEST", to_der(i2d_X509_REQ, request_.get()));
}

Subject CertificateRequest::subject() const {
  return read_subject(X509_REQ_get_subject_name(request_.get()));
}

AltNames CertificateRequest::alt_names() const {
  const Owned<STACK_OF(X509_EXTENSION),
              +[](STACK_OF(X509_EXTENSION) * stack) {
                sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
              }>
      extensions(X509_REQ_get_extensions(request_.get()));
  if (!extensions) return {};
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  return read_alt_names(names.get());
}

PublicKey CertificateRequest::public_key() const {
  return PublicKey(std::shared_ptr<EVP_PKEY>(X509_REQ_get_pubkey(request_.get()), EVP_PKEY_free));
}

Result<Certificate> sign_csr(const Ca& ca, const CertificateRequest& request, const Usages& usages,
                             WallTime now, Duration duration) {
  const CertificateSpec spec{.subject = request.subject(),
                             .alt_names = request.alt_names(),
                             .usages = usages,
                             .not_before = now - kBackdate,
                             .not_after = now + duration};
  return issue(ca, spec, request.public_key());
}

}  // namespace cloudless::pki
