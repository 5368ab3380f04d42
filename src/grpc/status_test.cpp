#include "grpc/status.hpp"

#include <gtest/gtest.h>

#include "net/http.hpp"

namespace cloudless::grpc {
namespace {

TEST(MessageText, WhatAFieldCannotHoldIsEncoded) {
  EXPECT_EQ(encode_message_text("etcdserver: 100% \n\xc3\xa4"), "etcdserver: 100%25 %0A%C3%A4");
}

TEST(MessageText, ComesBackAsItWas) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every.push_back(static_cast<char>(byte));
  EXPECT_EQ(decode_message_text(encode_message_text(every)), every);
}

TEST(MessageText, WhatIsNoEscapeStays) {
  for (const char* text : {"100%", "%", "%2", "%zz", "%-1", "% 1", "a%2xb"}) {
    EXPECT_EQ(decode_message_text(text), text);
  }
  EXPECT_EQ(decode_message_text("%c3%A4"), "\xc3\xa4");
}

TEST(StatusFields, AreReadAsTheyWereWritten) {
  for (const Status& status :
       {Status{}, Status{StatusCode::kNotFound, "no such thing: 1%"}, Status{StatusCode::kUnauthenticated}}) {
    const StatusFields text(status);
    net::Headers fields{{std::string(kStatusField), text.code}};
    if (!text.message.empty()) fields.add(std::string(kMessageField), text.message);
    EXPECT_EQ(find_status(fields), status);
  }
}

TEST(StatusFields, ANumberThatIsNoCodeIsUnknown) {
  for (const char* text : {"17", "-1", "", "five", "1 ", "99999999999"}) {
    EXPECT_EQ(find_status({{"grpc-status", text}})->code, StatusCode::kUnknown) << text;
  }
  EXPECT_EQ(find_status({{"grpc-message", "x"}}), std::nullopt);
}

TEST(StatusCodes, AnErrorComesBackAsItsKind) {
  for (const Code code :
       {Code::kCancelled, Code::kInvalid, Code::kNotFound, Code::kAlreadyExists, Code::kConflict,
        Code::kUnauthenticated, Code::kPermissionDenied, Code::kResourceExhausted, Code::kDeadlineExceeded,
        Code::kUnavailable, Code::kUnimplemented, Code::kDataLoss, Code::kInternal}) {
    const Error error{code, "why"};
    EXPECT_EQ(to_error(to_status(error)), error) << to_string(code);
  }
}

TEST(StatusCodes, AnHttpStatusAloneMeansWhatGrpcSaysItMeans) {
  EXPECT_EQ(of_http_status(404).code, StatusCode::kUnimplemented);
  EXPECT_EQ(of_http_status(503).code, StatusCode::kUnavailable);
  EXPECT_EQ(of_http_status(418).code, StatusCode::kUnknown);
  EXPECT_EQ(of_http_status(418).message, "unexpected HTTP status code received from server: 418");
}

}  // namespace
}  // namespace cloudless::grpc
