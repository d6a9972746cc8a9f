#pragma once
#include "inference/networks/bundle.h"

#include <string>

namespace glionode::networks {

/// bundle.json's text to values and back. `name` stands before every complaint: NAME: key: reason (Error{kBadDataset}).
/// Keys that change the answer must all be there and known; unknown ones elsewhere are passed over.
BundleInfo ParseBundleJson(const std::string& text, const std::string& name);
std::string EncodeBundleJson(const BundleInfo& info);

}  // namespace glionode::networks
