#pragma once
#include "pipeline_fixture.h"
#include "server/outbox_worker.h"
#include "server/withdrawal.h"

#include <string>
#include <vector>

namespace glionode::server {

/// A study whose report waits for its sending, and a PACS that answers as the test says.
class OutboxWorkerTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    MakePipeline([](const WorkerRequest&) { return Answered(0.9); })->RunOne();
  }
  int Send(dicom::SendResult answer, const std::string& only_class = "") {
    OutboxWorker worker(
        {*files_, *index_, *jobs_, *outbox_, *peers_, clock_,
         [&](const PeerSettings&, const std::vector<dicom::OutgoingObject>& objects) {
           std::vector<dicom::SendResult> results;
           for (const auto& object : objects) {
             sent_.push_back(object);
             const bool hit = only_class.empty() || object.sop_class_uid == only_class;
             results.push_back(hit ? answer : dicom::SendResult{dicom::SendOutcome::kSent, 0, "stored"});
           }
           return results;
         },
         [] { return true; }},
        {});
    PeerSettings peer;
    peer.ae_title = "PACS";
    return worker.SendDue(peer);
  }
  WithdrawalDone TakeBack(dicom::RejectionReason reason = dicom::RejectionReason::kQuality) {
    return Withdraw({*files_, *index_, *jobs_, *outbox_, clock_.Wall(), "test"}, {StudyUid(), reason, "a test"});
  }
  std::vector<dicom::OutgoingObject> sent_;
};

}  // namespace glionode::server
