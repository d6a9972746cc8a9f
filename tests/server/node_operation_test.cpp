// What people do with a node: advice, events, a first configuration, reload, evaluating again.
#include "config/error.h"
#include "config/settings_loader.h"
#include "node_fixture.h"
#include "server/admin_access.h"
#include "server/admin_events.h"
#include "server/configuration_writer.h"
#include "server/node_advice.h"
#include "server/reload_scope.h"
#include "server/rerun.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <sys/stat.h>
#include <thread>

namespace glionode::server {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

NodeFacts GoodFacts() {
  NodeFacts facts;
  facts.model_ready = true;
  facts.free_bytes = std::int64_t{100} << 30;
  facts.min_free_bytes = std::int64_t{5} << 30;
  facts.peers = facts.peers_with_delivery = facts.accept_rules = 1;
  return facts;
}

TEST(NodeAdvice, NothingToSayOfAGoodNode) { EXPECT_TRUE(AdviseOn(GoodFacts()).empty()); }

TEST(NodeAdvice, EveryProblemSaysWhatToDo) {
  NodeFacts facts;
  facts.model_text = "weights altered";
  facts.free_bytes = 1;
  facts.min_free_bytes = 2;
  facts.studies = {{"parked", 1}, {"failed", 2}, {"reported", 9}};
  facts.outbox = {{"dead", 1}, {"parked", 3}};
  facts.oldest_waiting_ms = 7'200'000;
  facts.waiting_by_peer = {{"PACS", 4}};
  facts.refusals = {{"unknown_ae", 1}, {"wrong_address", 2}, {"other", 1}};
  const auto advice = AdviseOn(facts);
  std::set<std::string> codes;
  bool warned = false;
  for (const Advice& one : advice) {
    EXPECT_TRUE(codes.insert(one.code).second) << one.code;
    EXPECT_FALSE(one.text.empty());
    EXPECT_FALSE(one.what_to_do.empty()) << one.code;
    warned = warned || !one.is_error;
    EXPECT_FALSE(one.is_error && warned) << "errors first";
  }
  for (const char* code : {"model", "disk", "parked", "failed", "outbox_dead", "outbox_parked", "outbox_waiting",
                           "no_peer", "no_rule", "unknown_ae", "wrong_address"})
    EXPECT_EQ(codes.count(code), 1u) << code;
  EXPECT_EQ(codes.count("other"), 0u);
  EXPECT_THAT(advice.front().text, HasSubstr("weights altered"));
}

TEST(EventHub, TellsTheStateAndItsChangesAndAsksOnlyWhileSomebodyListens) {
  std::atomic<int> asked{0}, number{1};
  EventHub hub(
      [&] {
        ++asked;
        return json{{"number", number.load()}, {"free_bytes", asked.load()}};
      },
      std::chrono::milliseconds(1), std::chrono::seconds(3600));
  EXPECT_EQ(asked, 0);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> told;
  const auto id = hub.Add([&](std::shared_ptr<const std::string> text) {
    const std::lock_guard lock(mutex);
    told.push_back(*text);
    changed.notify_all();
  });
  const auto wait_for = [&](std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(30), [&] { return told.size() >= count; });
  };
  ASSERT_TRUE(wait_for(1));
  number = 2;
  ASSERT_TRUE(wait_for(2));
  // Many more questions, in which only free_bytes moves: nothing is told.
  for (const int until = asked + 20; asked < until;) std::this_thread::yield();
  hub.Remove(id);
  EXPECT_EQ(told.size(), 2u);
  EXPECT_THAT(told[0], HasSubstr("event: status\n"));
  EXPECT_THAT(told[0], HasSubstr("\"number\":1"));
  EXPECT_THAT(told[1], HasSubstr("\"number\":2"));
  EXPECT_EQ(told[1].substr(told[1].size() - 2), "\n\n");
}

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "glionode-operation-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path Write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::ofstream(folder_ / name) << text;
    chmod((folder_ / name).c_str(), mode);
    return folder_ / name;
  }
  std::filesystem::path folder_;
};

TEST_F(FileTest, AFirstConfigurationIsAcceptedAndSaysWhatWasAnswered) {
  FirstAnswers answers;
  answers.ae_title = "NODE \"1\"";
  answers.data_dir = "/data \\ x";
  answers.peer_ae = "PACS";
  answers.peer_host = "10.0.0.1";
  answers.deliver = "all";
  answers.accept = "(?i)glioma\\b";
  answers.bundle = "/bundle";
  answers.ae_title = "NODE \"1\"";
  const Settings settings = RequireSettings(Write("first.toml", FirstConfiguration(answers)));
  EXPECT_EQ(settings.node.ae_title, answers.ae_title);
  EXPECT_EQ(settings.node.data_dir, answers.data_dir);
  EXPECT_EQ(settings.peers.at(0).deliver, "all");
  EXPECT_EQ(settings.accept.at(0).matches.at("StudyDescription"), answers.accept);
  answers.peer_ae.clear();
  answers.accept.clear();
  const Settings bare = RequireSettings(Write("bare.toml", FirstConfiguration(answers)));
  EXPECT_TRUE(bare.peers.empty());
  EXPECT_TRUE(bare.accept.empty());
}

TEST_F(FileTest, TokenFilesAreReadStrictly) {
  AdminSettings settings;
  const std::string token(24, 'a'), other(24, 'b');
  settings.token_file = Write("good", "# tokens\nread " + token + " nurse # day\n\noperate " + other + "\n");
  const AdminAccess access = ReadAccess(settings, settings.bind);
  ASSERT_EQ(access.tokens.size(), 2u);
  EXPECT_EQ(access.Identify("Bearer " + token)->name, "nurse");
  EXPECT_EQ(access.Identify("Bearer " + other)->role, Access::kOperate);
  EXPECT_FALSE(access.Identify("Bearer nurse"));
  EXPECT_EQ(TokenFor(settings, Access::kRead), token);
  EXPECT_EQ(TokenFor(settings, Access::kOperate), other);
  const auto refused = [&](const std::string& name, const std::string& text, mode_t mode = 0600) {
    settings.token_file = Write(name, text, mode);
    try {
      ReadAccess(settings, settings.bind);
      return std::string("accepted");
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find(token), std::string::npos) << "a token in an error text";
      return std::string(e.what());
    }
  };
  EXPECT_THAT(refused("short", "read abc\n"), HasSubstr("short:1"));
  EXPECT_THAT(refused("role", "read " + token + "\nadmin " + token + "\n"), HasSubstr("role:2"));
  EXPECT_THAT(refused("open", "read " + token + "\n", 0644), HasSubstr("chmod 600"));
  EXPECT_THAT(refused("empty", "# nothing\n"), HasSubstr("no token"));
  settings.token_file.clear();
  settings.bind = "0.0.0.0";
  EXPECT_THROW(ReadAccess(settings, settings.bind), Error);
}

TEST_F(FileTest, AReloadIsJudgedByTheAddressThatIsBound) {
  AdminSettings settings;  // loopback again, while the socket is still open to other machines
  const std::string bound = "0.0.0.0";
  EXPECT_TRUE(ReadAccess(settings, settings.bind).is_local);
  EXPECT_THROW(ReadAccess(settings, bound), Error) << "everybody would be the local operator";
  settings.certificate = "admin.crt";
  EXPECT_THROW(ReadAccess(settings, bound), Error);
  settings.token_file = Write("tokens", "operate " + std::string(24, 'b') + " chief\n");
  EXPECT_FALSE(ReadAccess(settings, bound).is_local);
  settings.certificate.clear();
  EXPECT_THROW(ReadAccess(settings, bound), Error) << "tokens without TLS";
}

TEST(ReloadScope, NamesWhatNeedsARestart) {
  Settings running;
  EXPECT_TRUE(KeysThatNeedRestart(running, running).empty());
  Settings wanted = running;
  wanted.study.quiet_seconds = 5;
  wanted.log.level = "debug";
  wanted.peers.emplace_back();
  wanted.dicom.max_associations = 3;
  wanted.dicom.max_instance_bytes = 1 << 20;
  wanted.dicom.idle_seconds = 7;
  wanted.storage.min_free_gib = 50;
  wanted.admin.show_identity = true;
  EXPECT_TRUE(KeysThatNeedRestart(running, wanted).empty());
  wanted.dicom.port = 104;
  wanted.node.ae_title = "OTHER";
  EXPECT_EQ(KeysThatNeedRestart(running, wanted), (std::vector<std::string>{"node.ae_title", "dicom.port"}));
  wanted = running;
  wanted.audit.max_file_mib = 1;
  wanted.audit.keep_files = 2;
  wanted.audit.syslog = "udp://collector:514";
  wanted.audit.tls_ca = "ca.crt";
  EXPECT_EQ(KeysThatNeedRestart(running, wanted),
            (std::vector<std::string>{"audit.max_file_mib", "audit.keep_files", "audit.syslog", "audit.tls_ca"}));
}

class RerunTest : public NodeTest {
 protected:
  RerunAnswer Rerun(const std::string& bundle_sha256) {
    BundleSummary bundle = Bundle();
    if (!bundle_sha256.empty()) bundle.sha256 = bundle_sha256;
    return RerunStudy({*index_, *jobs_, clock_, "test", bundle}, StudyUid());
  }
  void Finish(const std::string& result_json = "{}") {
    const auto job = jobs_->Claim("me", clock_.Wall(), clock_.Wall() + 1000);
    ASSERT_TRUE(job);
    storage::ResultRecord result;
    result.decision = "necrosis";
    result.result_json = result_json;
    jobs_->Finish(job->id, result, {}, clock_.Wall());
  }
};

TEST_F(RerunTest, OnlyWithSomethingNewAndSaysSoOtherwise) {
  EXPECT_THROW(Rerun(""), Error) << "unknown study";
  auto watcher = MakeWatcher(StudySettings{});
  PushStudy({});
  watcher->Tick(Bundle());
  EXPECT_FALSE(Rerun("").started) << "still receiving";
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  Finish();
  const auto same = Rerun("");
  EXPECT_FALSE(same.started);
  EXPECT_THAT(same.text, HasSubstr("the result would be the same"));
  const auto other = Rerun("another");
  EXPECT_TRUE(other.started) << other.text;
  EXPECT_FALSE(Rerun("another").started) << "one at a time";
  Finish();
  EXPECT_EQ(index_->Find(StudyUid())->revision, 2);
  EXPECT_FALSE(Rerun("another").started);
  EXPECT_FALSE(RerunStudy({*index_, *jobs_, clock_, "test", std::nullopt}, StudyUid()).started) << "no bundle";
}

TEST_F(RerunTest, LooksAtTheBundleThatAnsweredNotOnlyAtTheJobsKey) {
  auto watcher = MakeWatcher(StudySettings{});
  PushStudy({});
  watcher->Tick(Bundle());
  clock_.Advance(61);
  ASSERT_EQ(watcher->Tick(Bundle()), 1);
  Finish(R"({"bundle": {"sha256": "replaced it while the job waited"}})");
  EXPECT_TRUE(Rerun("").started) << "the bundle before is back";
}

}  // namespace
}  // namespace glionode::server
