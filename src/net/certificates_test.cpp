#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "net/test_certificates.hpp"

namespace cloudless::net {

namespace test {

namespace {

std::string pem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string pem(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* begin_certificate(const std::string& name, EVP_PKEY* key) {
  static long serial = 1;
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

}  // namespace

Issued make_ca(const std::string& name) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = begin_certificate(name, key);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  extend(certificate, NID_basic_constraints, "critical,CA:TRUE");
  extend(certificate, NID_key_usage, "critical,keyCertSign");
  X509_sign(certificate, key, EVP_sha256());
  Issued issued{pem(certificate), pem(key)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return issued;
}

Issued issue(const Issued& ca, const std::string& name) {
  BIO* ca_text = BIO_new_mem_buf(ca.certificate.data(), -1);
  X509* ca_certificate = PEM_read_bio_X509(ca_text, nullptr, nullptr, nullptr);
  BIO* key_text = BIO_new_mem_buf(ca.key.data(), -1);
  EVP_PKEY* ca_key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = begin_certificate(name, key);
  X509_set_issuer_name(certificate, X509_get_subject_name(ca_certificate));
  extend(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,DNS:" + name);
  extend(certificate, NID_ext_key_usage, "serverAuth,clientAuth");
  X509_sign(certificate, ca_key, EVP_sha256());
  Issued issued{pem(certificate), pem(key)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  EVP_PKEY_free(ca_key);
  X509_free(ca_certificate);
  BIO_free(ca_text);
  BIO_free(key_text);
  return issued;
}

}  // namespace test

}  // namespace cloudless::net
