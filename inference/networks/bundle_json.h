#pragma once
#include "inference/networks/bundle.h"

#include <string>

namespace glionode::networks {

/// bundle.json's text to values and back. `name` stands before every complaint: NAME: key: reason (Error{kBadDataset}).
/// Keys that change the answer must all be there and known; unknown ones elsewhere are passed over. A key that stands
/// twice in one object and nesting without end (strict_json.h) are refused, wherever they stand.
BundleInfo ParseBundleJson(const std::string& text, const std::string& name);
std::string EncodeBundleJson(const BundleInfo& info);

}  // namespace glionode::networks
