#include "role_names.h"

#include "images_support.h"

namespace glionode::dicom {
namespace {

// Names of series as sites with scanners of GE, Philips, Siemens and Canon write them in English, German, French,
// Spanish, Italian, Portuguese, Dutch, Nordic languages and Polish, separated by |. Written down from convention, not
// out of the files in GLIONODE_TEST_DATA: the general rules may not fit those alone.

constexpr std::string_view kT1 = R"(
t1_mprage_sag_p2_iso | BRAVO | VIBE | eT1W_SE | t1_fl2d_tra nativ | T1 axial s/c | FLAIR T1 | T1 TIRM dark-fluid |
t1_se_tra | T1 tra vor KM | T1 tra ohne KM | T1 MPRAGE nativ sag | T1 SE tra -KM | T1 v. KM | t1_spc_sag_iso |
AX T1 FLAIR | Ax T1 FSE | T1 AX WO | T1 AX W/O | AX T1 C- | PRE AX T1 | Ax T1 pre-contrast | Ax T1 non-contrast |
Ax T1 precontrast | sT1W_3D_TFE | T1W_IR | T1_IR_TSE_AX | SAG T1 | Sag T1 FSE | T1 SE | FSPGR 3D | AX FSPGR 3D |
3D FSPGR IR | IR-FSPGR | MPRAGE | MP-RAGE | MP RAGE SAG | t1_mprage_ax_pre | t1_mprage_ns_sag_p2_iso_1mm | AX T1 SE |
AX T1 SANS GADO | AX T1 SANS INJECTION | T1 AXIAL SANS IV | 3D T1 IV- | AX T1 avant injection | AX T1 AVANT GADO |
T1 ax senza mdc | T1 ax s/mdc | T1 ax basale | T1 SE ASSIALE | AXIAL T1 SIN CIV | T1 AX S/CONTRASTE |
T1 axial sin gd | T1 axial s/gd | T1 SAG s/ contraste | T1 SEM CONTRASTE | T1 AX SIMPLE | T1 zonder gado | T1 blanco |
T1 u. kontrast | T1 før kontrast | T1 utan kontrast | T1pre | T1_pre | T1-weighted | T1 weighted | t1 | T1w | SE_T1 |
AX SE T1 | 3D_MPRAGE | t1_mp2rage_UNI_Images | MP2RAGE UNI-DEN | T1 orbit coronal fs | T1 före kontrast |
T1 uden kontrast | T1 bez kontrastu | T1 prima di mdc | AX T1 24 CM | T1 AVERAGE 2 | t1_vibe_dixon_tra_W |
t1_vibe_dixon_tra_in | WATER: Ax T1 LAVA | t1_se_sag_nativ
)";

constexpr std::string_view kT1WithContrast = R"(
Ax T1 FSE +C | T1W_3D_TFE KM | sT1W_TSE_GD | AX FSPGR 3D POST | CUBE T1 +C | 3D T1 SPACE c+ | T1 ax i.v. KM |
T1 assiale MDC | T1 axial con Gd | T1 apres gado | t1_mprage_tra_p2_iso_KM | t1_mpr_tra_iso_post_contrast |
t1_se_tra_post gd | t1_vibe_fs_tra_km | T1 tra post KM | T1 tra nach KM | T1 tra mit KM | T1 3D KM MPRAGE |
T1 SE tra +KM | T1 n. KM | T1 n.KM | T1w post-KM | T1 fl3d KM | MPRAGE KM ax | T1 MPR KM | T1 3D TFE nach Gd |
T1 SE ax nach i.v. Gadolinium | T1_tra_KM | t1_space_km | t1_spc_sag_iso_KM | AX T1 GD | Sag T1 CUBE Post |
Ax 3D BRAVO +C | Ax BRAVO POST | AX T1 FLAIR POST | AX T1 FLAIR +C | COR T1 FS +GAD | Ax T1 SE POST CONTRAST |
+C AX T1 | +C Ax T1 FLAIR | +C Cor T1 FSE FS | AX 3D SPGR +C | AX T1 W CONTRAST | AX T1 C+ | POST AX T1 |
POST GAD AX T1 SE | Gd AX T1 SE | Ax T1 postcontrast | AXIAL T1 POSTGAD | AX T1 POST-GD | T1_AX_POST | T1W_SE_POST |
T1W_FFE_POST | T1_3D_TFE_GADO | sT1W_3D_TFE_Gd | T1W_TSE +Gd | T1W_3D_TFE_ISO_Gd | T1W_SE_C | T1W/TFE 3D +C |
Sag T1 post | MPRAGE GAD | MPRAGE POST | MPRAGE +C | MPRAGE c+ | mprage post gd axial | t1_mprage_ax_post |
t1_mprage_ns_sag_p2_iso_1mm_CM | SAG 3D T1 GADO | AX T1 SE GADO | AX T1 EG GADO | T1 AXIAL AVEC GADO | T1 3D INJECTE |
3D T1 GADO | 3D T1 IV+ | AX T1 APRES INJECTION | AX T1 après gado | T1 AX MDC | T1 ax con mdc | T1 ax c/mdc |
T1 ax dopo mdc | T1 ax post mdc | T1 3D FFE MDC | T1 SE ASS MDC | AXIAL T1 CON CIV | T1 AXIAL CON CONTRASTE |
T1 AX CTE | T1 AX C/CONTRASTE | T1 axial c/gd | T1 AXIAL GADOLINIO | T1 axial c/c | T1 SAG c/ contraste |
T1 COM CONTRASTE | T1 met gado | T1 na gd | T1W 3D na Gd | T1 po kontrascie | T1 tra+kontrast | T1 m. kontrast |
T1 efter kontrast | T1 med kontrast | T1 CE | T1CE | T1-CE | CE T1 | CE-T1W | T1+C | T1 +c ax | T1C | T1Gd | T1-Gd |
T1_Gd | T1KM | T1c+ | T1w_gd | GdT1 | Post_T1 | T1post | SE_T1_CE | T1 SE CE | AX T1 FSE CE | 3D FFE T1 CE |
MPRAGE CE | T1 nach Kontrastmittel | T1 après injection | T1 CM tra | t1_tra_cm | T1 axial + i.v. | T1W_TSE_ax+C |
t1_fl3d_cor_post | Ax T1 Gd delayed | AX T1 w/gad | T1 w/c | T1 tra + | STEALTH AX BRAVO +C
)";

constexpr std::string_view kT2 = R"(
T2 PROPELLER | Ax T2 FRFSE | t2_tse_tra_512 | t2_spc_sag_p2_iso | t2_blade_tra | T2 TSE ax | T2W_TSE_CLEAR |
T2 TSE MVXD | sT2W_TSE | T2W_TSE_SENSE | T2W/TSE | 3D_Brain_VIEW_T2 | CUBE T2 | Sag T2 CUBE | AX T2 FS | AX T2 FSE |
Ax T2 PROP | Ax FSE T2 | AX T2 FRFSE-XL | T2 FSE MultiVane | AX T2 TSE | AX T2 EN SE | T2 TSE ASSIALE | T2 TSE ASS |
T2 AXIAL | T2 TSE AXIAL | T2-weighted | T2 | t2 | T2w | t2w_tse_tra | FSE T2 | FASE T2 | T2 TSE cor hippocampus |
PD+T2 | t2_space_iac | T2 Schädel tra | AX T2 FOV 24 CM | dT2_TSE | DUAL T2/PD | t2_tse_fs_cor_orbita
)";

constexpr std::string_view kNeither = R"(
t2_spc_da-fl | dADC | ep2d_diff | perf | SWI_Images | T2* GRE | T2W_FFE | sSWIp | VEN_BOLD | sDWI | DWI_SSh | eDWI |
isoDWI | dSDWI | FLAIR_longTR | 3D_Brain_VIEW_FLAIR | T2W_FLAIR | 3D FLAIR SPACE | t2_spc_ir_sag_dark-fluid |
t2_space_dark-fluid_sag | t2_tirm_tra_dark-fluid_320 | t2_tirm_fs | CUBE T2 FLAIR | Sag CUBE FLAIR |
AX T2 FLAIR FS +C | AX T2 FLAIR POST | AX T2 EG | AX T2 ECHO DE GRADIENT | T2 GRADIENTE | DIFFUSION | AX DIFF B1000 |
CARTO ADC | PERFUSION | TOF WILLIS | ARM TOF | 3D TOF | T2_STAR | T2star | T2* | AX T2* GRE | T2* FFE | t2_fl2d_tra |
t2star_tra | AX GRE | MPGR | AX MPGR T2* | GRE T2 | AX SWAN | 3D SWAN | SWI | swi3d_tra | Mag_Images | Pha_Images |
mIP_Images(SW) | SWAN PHASE | FSBB | AX 3D FSBB | FE3D SWI | T2* 2D FE | ADC (10^-6 mm²/s) | ADC | dADC Map | eADC |
Apparent Diffusion Coefficient (mm2/s) | Average DC | Isotropic DWI | AX DWI | Ax DWI b=1000 | ep2d_diff_mddw_20_p2 |
ep2d_diff_3scan_trace | ep2d_diff_tra_TRACEW | RESOLVE_4scan_trace_tra | resolve_diff | DTI_32dir |
DTI 25 directions | FA | Fractional Aniso. | ColFA | ep2d_perf | ep2d_perf_p2 | ep2d_pace | ep2d_bold_moco | DSC |
DSC Perfusion | PWI | rCBV | relCBF | MTT | TTP | GBP | PBP | CBV_corrected | DCE | T1 DCE | DCE T1 perf |
t1_twist_dyn | AX T1 DCE PERMEABILITY | ASL | 3D ASL | pCASL | tgse_pcasl | eASL | CBF (Transit corrected) |
Cerebral Blood Flow | t1_mprage_sag MPR cor | T1 MPRAGE reformat | MPR Range | T1 COR MPR | AX T1 POST MPR |
T1 +C MIP | SUB T1 POST | T1 post - T1 pre SUB | Subtraction | localizer | LOCA | Loc | 3-plane loc | 3-pl T2* FGRE |
Scout | Survey | SURVEY_SHC | AAHScout | AutoAlign Scout | Smartbrain | Plan Scan | Calibration | ASSET cal |
Cal Head 24 | SENSE Ref | B1_calibration | field_map | gre_field_mapping | B0 map | fieldmap_AP | MRS | svs_se_30 |
csi_se_135 | PRESS 144 | PROBE-P | spectro | SV PRESS | phoenixZIPReport | PhoenixZIPReport | Screen Save |
Dose Report | Exam Card | MR venography | pc3d sag | PC 3D venous | VENC 80 | CSF flow | TRICKS | CE-MRA | TWIST |
t2_ci3d_tra | CISS | FIESTA-C | FIESTA | DRIVE | bTFE | AX PD | PD_TSE | PD FS | STIR | AX STIR | COR T2 STIR |
T1rho | MAGIC | SyMRI | t1_mp2rage_INV1 | t1_mp2rage_INV2 | t1_mp2rage_T1_Images | DIR | Double IR | T2 cervical |
SAG T1 C-SPINE | T1 SAG CSPINE | T2 SAG LS SPINE | KNEE PD | fMRI rest | resting state | rsfMRI | BOLD motor | REST1 |
T2 BOLD | epi_T2 | t2_epi | T2 haste localizer | t1_mprage_tra_MIP | ep2d_diff_b0_b1000 | t1_vibe_dixon_tra_F |
t1_vibe_dixon_tra_opp | FAT: Ax T1 LAVA | (Ax T1 BRAVO) RFMT | 3D T1 TFE post Gd MPR tra | AX FLAIR +C
)";

constexpr std::string_view kDoubt = R"(
T1 AX W | T1 map | T2 map | T1 W/WO | T1 pre/post Gd | T1 SE + MTC | T1 ax i.v. | t1 tse c 2mm
)";

TEST(RoleNames, T1) { ExpectAllNames(kT1, Role::kT1, 84); }
TEST(RoleNames, T1WithContrast) { ExpectAllNames(kT1WithContrast, Role::kT1ce, 134); }
TEST(RoleNames, T2) { ExpectAllNames(kT2, Role::kT2, 41); }
TEST(RoleNames, Neither) { ExpectAllNames(kNeither, Role::kNone, 196); }
TEST(RoleNames, Doubt) { ExpectAllNames(kDoubt, Role::kUnsure, 8); }

}  // namespace
}  // namespace glionode::dicom
