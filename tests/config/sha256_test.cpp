#include "config/sha256.h"

#include <gtest/gtest.h>

namespace glionode {
namespace {

// NIST, "Cryptographic Algorithm Validation Program", the examples for SHA-256 of FIPS 180-4.
TEST(Sha256, FipsVectors) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                      "mnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

TEST(Sha256, OneMillionLettersInUnevenPieces) {
  Sha256 hash;
  std::size_t left = 1000000;
  for (std::size_t piece = 1; left > 0; piece = piece % 131 + 1) {
    const std::size_t size = std::min(piece, left);
    hash.Update(std::string(size, 'a'));
    left -= size;
  }
  EXPECT_EQ(hash.HexDigest(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, LengthsAroundTheBlockSizeDoNotDependOnTheSplit) {
  for (std::size_t size = 50; size < 140; ++size) {
    const std::string text(size, 'x');
    Sha256 split;
    split.Update(text.substr(0, size / 3));
    split.Update(text.substr(size / 3));
    EXPECT_EQ(split.HexDigest(), Sha256Hex(text)) << size;
  }
}

}  // namespace
}  // namespace glionode
