#include "pki/names.hpp"

#include <arpa/inet.h>

#include <array>
#include <ctime>

namespace cloudless::pki {

namespace {

std::string text_of(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

std::vector<std::string> entries(const X509_NAME* name, int nid) {
  std::vector<std::string> out;
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(name, nid, at)) {
    out.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
  }
  return out;
}

bool add_entry(X509_NAME* name, int nid, const std::string& value) {
  return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

std::string raw_text(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<size_t>(ASN1_STRING_length(value))};
}

std::string ip_text(const ASN1_OCTET_STRING* address) {
  const int size = ASN1_STRING_length(address);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (size != 4 && size != 16) return {};
  const int family = size == 4 ? AF_INET : AF_INET6;
  return inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) ? text.data() : "";
}

bool push_text(GENERAL_NAMES* names, int type, const std::string& value) {
  Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  Owned<ASN1_IA5STRING, ASN1_IA5STRING_free> text(ASN1_IA5STRING_new());
  if (!name || !text || ASN1_STRING_set(text.get(), value.data(), static_cast<int>(value.size())) != 1)
    return false;
  GENERAL_NAME_set0_value(name.get(), type, text.release());
  return sk_GENERAL_NAME_push(names, name.release()) > 0;
}

Result<> push_ip(GENERAL_NAMES* names, const std::string& value) {
  Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> address(a2i_IPADDRESS(value.c_str()));
  ERR_clear_error();
  if (!name || !address) return fail(Code::kInvalid, "\"{}\" is not an IP address", value);
  GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address.release());
  sk_GENERAL_NAME_push(names, name.release());
  return {};
}

}  // namespace

Subject read_subject(const X509_NAME* name) {
  Subject subject;
  const auto common_names = entries(name, NID_commonName);
  // Of several common names the last counts, as in Go's pkix.Name.
  if (!common_names.empty()) subject.common_name = common_names.back();
  subject.organizations = entries(name, NID_organizationName);
  return subject;
}

Result<OwnedName> make_name(const Subject& subject) {
  OwnedName name(X509_NAME_new());
  bool good = name != nullptr;
  for (const std::string& organization : subject.organizations)
    good = good && add_entry(name.get(), NID_organizationName, organization);
  if (!subject.common_name.empty()) good = good && add_entry(name.get(), NID_commonName, subject.common_name);
  if (!good) return std::unexpected(openssl_error(Code::kInvalid, "make a distinguished name"));
  return name;
}

AltNames read_alt_names(const GENERAL_NAMES* names) {
  AltNames out;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    const auto* text = static_cast<const ASN1_STRING*>(value);
    if (type == GEN_DNS) out.dns.push_back(raw_text(text));
    if (type == GEN_EMAIL) out.emails.push_back(raw_text(text));
    if (type == GEN_URI) out.uris.push_back(raw_text(text));
    if (type == GEN_IPADD) out.ips.push_back(ip_text(static_cast<const ASN1_OCTET_STRING*>(value)));
  }
  return out;
}

Result<Owned<X509_EXTENSION, X509_EXTENSION_free>> make_alt_names(const AltNames& names) {
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> list(GENERAL_NAMES_new());
  bool good = list != nullptr;
  for (const auto& name : names.dns) good = good && push_text(list.get(), GEN_DNS, name);
  for (const auto& name : names.emails) good = good && push_text(list.get(), GEN_EMAIL, name);
  for (const auto& name : names.uris) good = good && push_text(list.get(), GEN_URI, name);
  for (const auto& ip : names.ips) TRY(push_ip(list.get(), ip));
  Owned<X509_EXTENSION, X509_EXTENSION_free> extension;
  if (good) extension.reset(X509V3_EXT_i2d(NID_subject_alt_name, 0, list.get()));
  if (!extension) return std::unexpected(openssl_error(Code::kInvalid, "make alternative names"));
  return extension;
}

WallTime read_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return WallTime{};
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

bool write_time(ASN1_TIME* to, WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return ASN1_TIME_set(to, static_cast<time_t>(seconds)) != nullptr;
}

}  // namespace cloudless::pki
